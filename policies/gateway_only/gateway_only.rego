# Only the gateway may call, and it must say which version of the API it speaks: one of
# `data.gateway_only.gateways` with one of `data.gateway_only.versions` in `x-api-version`.
package portcullis.patterns.gateway_only

default allow := false

allow if {
	input.source.spiffe.id in data.gateway_only.gateways
	input.attributes.request.http.headers["x-api-version"] in data.gateway_only.versions
}
