package envoy.authz

default allow := false

allow if "eng" in input.jwt.claims.groups

allow := {"allowed": false, "reason": input.jwt_error}
