# Reading orders is open to everybody, TCP to callers from this machine, everything else to nobody.
package envoy.authz

default allow := false

allow if {
	input.attributes.contextExtensions.application == "shop"
	input.attributes.request.http.method == "GET"
	input.parsed_path[0] == "orders"
}

allow if {
	not input.attributes.request
	net.cidr_contains("127.0.0.1/32", input.attributes.source.address.socketAddress.address)
}
