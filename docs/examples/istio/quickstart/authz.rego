# Workloads of the namespace foo may read; everybody else is refused and told so.
package envoy.authz

default allow := {
	"allowed": false,
	"reason": "not_foo",
	"http_status": 403,
	"body": "only workloads of foo may read\n",
}

allow if {
	input.source.spiffe.namespace == "foo"
	input.attributes.request.http.method in {"GET", "HEAD"}
}
