# A verified token is required: one of an issuer in `data.jwt_required.issuers` that names a subject.
#
# Only verified claims are read. An `authorization` header by itself proves nothing.
package portcullis.patterns.jwt_required

default allow := false

allow if {
	claims := input.attributes.metadata_context.filter_metadata["envoy.filters.http.jwt_authn"].fields
	claims.iss in data.jwt_required.issuers
	is_string(claims.sub)
	claims.sub != ""
}
