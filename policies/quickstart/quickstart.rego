# The quick start: what portcullis serves when it is given no policy at all.
#
# It guards a small shop by combining the patterns beside it. A request is allowed when every check
# below holds; the first that does not is the reason for the denial. A check whose pattern is not
# loaded is undefined, and then nothing is allowed.
package envoy.authz

import data.portcullis.patterns.admin_paths
import data.portcullis.patterns.call_graph
import data.portcullis.patterns.claim_scoped_writes
import data.portcullis.patterns.gateway_only
import data.portcullis.patterns.jwt_required
import data.portcullis.patterns.metrics_scraping
import data.portcullis.patterns.premium_tier
import data.portcullis.patterns.sandbox

# One definition in the place of two with different values, so that the fast evaluator can run it.
allow := decisions[0]

decisions := array.concat(permits, denials)

permits := [permit | some permit in permit_set]

permit_set contains {
	"allowed": true,
	"headers": {"x-portcullis-caller": input.source.spiffe.id},
} if {
	permitted
}

permitted if {
	every check in checks {
		check.holds == true
	}
}

denials := [denial |
	some check in checks
	check.holds == false
	denial := {
		"allowed": false,
		"reason": check.reason,
		"http_status": check.status,
		"body": sprintf(`{"error":"%s","message":"%s"}`, [check.reason, check.message]),
		"headers": array.concat(
			[{"content-type": "application/json"}, {"x-portcullis-reason": check.reason}],
			check.headers,
		),
	}
]

checks := [
	{
		"reason": "admin_path",
		"holds": ordinary_path,
		"status": 403,
		"message": "this path is closed to everybody",
		"headers": [],
	},
	{
		"reason": "no_identity",
		"holds": identified,
		"status": 403,
		"message": "the caller has no SPIFFE identity; call over mutual TLS",
		"headers": [],
	},
	{
		"reason": "sandbox",
		"holds": outside_the_sandbox,
		"status": 403,
		"message": "the caller's namespace is shut out",
		"headers": [],
	},
	{
		"reason": "metrics",
		"holds": no_foreign_scrape,
		"status": 403,
		"message": "metrics are for Prometheus alone",
		"headers": [],
	},
	{
		"reason": "gateway",
		"holds": through_the_gateway,
		"status": 403,
		"message": "/v1 is reached through the gateway, with a known x-api-version",
		"headers": [],
	},
	{
		"reason": "no_edge",
		"holds": on_the_call_graph,
		"status": 403,
		"message": "the call graph has no such call for this caller",
		"headers": [],
	},
	{
		"reason": "token",
		"holds": token_presented,
		"status": 401,
		"message": "this call needs a verified token",
		"headers": [{"www-authenticate": "Bearer"}],
	},
	{
		"reason": "scope",
		"holds": scope_granted,
		"status": 403,
		"message": "writing needs the scope storefront:admin",
		"headers": [{"www-authenticate": "Bearer error=\"insufficient_scope\", scope=\"storefront:admin\""}],
	},
	{
		"reason": "tier",
		"holds": tier_paid,
		"status": 403,
		"message": "charges are for the premium tier",
		"headers": [],
	},
]

default ordinary_path := false

ordinary_path if admin_paths.deny == false

default identified := false

identified if input.source.spiffe.id

default outside_the_sandbox := false

outside_the_sandbox if sandbox.deny == false

default no_foreign_scrape := false

no_foreign_scrape if metrics_scraping.applies == false

no_foreign_scrape if metrics_scraping.allow

default through_the_gateway := false

through_the_gateway if input.parsed_path[0] != "v1"

through_the_gateway if gateway_only.allow

default on_the_call_graph := false

on_the_call_graph if call_graph.allow

on_the_call_graph if metrics_scraping.allow

default token_presented := false

token_presented if tcp

token_presented if {
	claim_scoped_writes.read
	premium_tier.applies == false
}

token_presented if jwt_required.allow

default scope_granted := false

scope_granted if tcp

scope_granted if claim_scoped_writes.allow

default tier_paid := false

tier_paid if premium_tier.applies == false

tier_paid if premium_tier.allow

# A TCP connection has neither method nor path.
tcp if {
	not input.attributes.request.http.method
	not input.attributes.request.http.path
}
