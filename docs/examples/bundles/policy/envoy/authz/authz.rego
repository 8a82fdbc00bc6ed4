package envoy.authz

default allow := false

# Who may read which collection stands in the data, so that it changes without the rules.
allow if {
	input.attributes.request.http.method == "GET"
	input.parsed_path[0] in data.shop.readers[input.source.spiffe.id]
}
