# `/v1/charges` is for customers of the premium tier: the verified claim `tier` says so.
#
# `allow` is such a call. `applies` tells that a request is for the charges, or may be read that way
# by the server behind us; a policy that combines patterns refuses it unless `allow` holds.
package portcullis.patterns.premium_tier

default allow := false

default applies := false

allow if {
	input.parsed_path[0] == "v1"
	input.parsed_path[1] == "charges"
	every segment in input.parsed_path {
		not segment in {"", ".", ".."}
		not contains(segment, "%")
		not contains(segment, "\\")
		not contains(segment, ";")
	}
	input.attributes.metadata_context.filter_metadata["envoy.filters.http.jwt_authn"].fields.tier == "premium"
}

applies if not elsewhere

elsewhere if {
	every segment in input.parsed_path {
		not contains(segment, "%")
		not contains(segment, "\\")
		name := split(lower(segment), ";")
		trim(name[0], " .") != "charges"
	}
}
