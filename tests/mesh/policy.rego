# What the gate serves to every item of the library. `@VERSION@` is the number of this version, which
# `data.json` beside it has too.
package envoy.authz

default allow := {
	"allowed": false,
	"http_status": 403,
	"headers": {"x-denied-by": "portcullis"},
	"body": "{\"error\":\"denied\"}",
}

allow := {
	"allowed": true,
	"headers": {"x-caller": caller},
	"request_headers_to_remove": ["x-internal"],
	"response_headers_to_add": {
		"x-policy": "@VERSION@",
		"x-data": data.version,
		"x-release": release,
	},
} if {
	admitted
}

allow := {
	"allowed": false,
	"http_status": 401,
	"headers": {"www-authenticate": "Bearer", "x-denied-by": "portcullis"},
	"body": "log in first",
} if {
	path in {"member", "shop.Members"}
	input.jwt_error
}

# Whoever calls.
admitted if path == "public"

# Workloads by their name, whatever they want: also in a TCP check, which has no path.
admitted if {
	[input.source.spiffe.namespace, input.source.spiffe.service_account] in {["foo", "sleep"], ["wave", "sleep"]}
	path in {"orders", "shop.Orders", "denied", "unlisted", ""}
}

admitted if {
	path in {"member", "shop.Members"}
	"eng" in input.jwt.claims.groups
}

default path := ""

path := input.parsed_path[0]

default caller := "nobody"

caller := input.source.spiffe.id

default release := "none"

release := data.release.number
