# Reading is open; every other method needs the scope `storefront:admin` in a verified token.
#
# `scope` is a list or the usual string with blanks in between. A read that asks the server to treat
# it as another method is no read.
package portcullis.patterns.claim_scoped_writes

default allow := false

default read := false

allow if read

allow if {
	input.attributes.request.http.method != ""
	scope := input.attributes.metadata_context.filter_metadata["envoy.filters.http.jwt_authn"].fields.scope
	is_array(scope)
	"storefront:admin" in scope
}

allow if {
	input.attributes.request.http.method != ""
	scope := input.attributes.metadata_context.filter_metadata["envoy.filters.http.jwt_authn"].fields.scope
	is_string(scope)
	"storefront:admin" in split(scope, " ")
}

# `GET` or `HEAD`, and meant so.
read if {
	input.attributes.request.http.method in {"GET", "HEAD"}
	not input.attributes.request.http.headers["x-http-method-override"]
	not input.attributes.request.http.headers["x-http-method"]
	not input.attributes.request.http.headers["x-method-override"]
}
