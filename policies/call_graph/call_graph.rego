# Allows exactly the calls that stand in the call graph: caller, method and path.
#
# `data.call_graph.edges` maps a caller's SPIFFE ID to its edges. In a path, `*` stands for one
# segment and a final `/**` for one or more. A path that two programs could read differently is on
# no edge: doubled or trailing slashes, dot segments, encoded slashes, what is encoded twice,
# backslashes, path parameters.
package portcullis.patterns.call_graph

default allow := false

# An HTTP call on an edge of fixed length.
allow if {
	plain_path
	some edge in data.call_graph.edges[input.source.spiffe.id]
	input.attributes.request.http.method in edge.methods
	pattern := segments(edge.path)
	count(pattern) == count(steps)
	agree(pattern)
}

# An HTTP call below an edge that ends in `/**`.
allow if {
	plain_path
	some edge in data.call_graph.edges[input.source.spiffe.id]
	input.attributes.request.http.method in edge.methods
	endswith(edge.path, "/**")
	pattern := segments(trim_suffix(edge.path, "/**"))
	count(pattern) < count(steps)
	agree(pattern)
}

# A TCP connection to the workload that the edge names.
allow if {
	not input.attributes.request.http.method
	not input.attributes.request.http.path
	some edge in data.call_graph.edges[input.source.spiffe.id]
	edge.tcp == input.attributes.destination.principal
}

plain_path if input.attributes.request.http.path == "/"

plain_path if {
	path := input.attributes.request.http.path
	startswith(path, "/")

	# As many segments before decoding as after it: no slash was encoded or doubled.
	undecoded := split(path, "?")
	count(split(undecoded[0], "/")) == count(array.concat([""], input.parsed_path))

	every segment in input.parsed_path {
		not segment in {"", ".", ".."}
		not contains(segment, "%")
		not contains(segment, "\\")
		not contains(segment, ";")
	}
}

steps := [step | some step in input.parsed_path; step != ""]

segments(path) := [segment | some segment in split(path, "/"); segment != ""]

# The pattern is at most as long as the path; the callers have seen to that.
agree(pattern) if {
	every position, segment in pattern {
		fits(segment, position)
	}
}

fits(segment, _) if segment == "*"

fits(segment, position) if segment == steps[position]
