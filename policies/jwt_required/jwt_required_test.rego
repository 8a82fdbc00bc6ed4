package portcullis.patterns.jwt_required_test

import data.portcullis.patterns.jwt_required

verified(claims) := {"attributes": {"metadata_context": {"filter_metadata": {"envoy.filters.http.jwt_authn": {
	"payload": claims,
	"fields": claims,
}}}}}

alice := {"iss": "https://issuer.example", "sub": "alice@example.com", "scope": "read"}

test_verified_token_is_allowed if {
	jwt_required.allow with input as verified(alice)
}

test_request_without_a_token_is_denied if {
	not jwt_required.allow with input as {"attributes": {
		"metadata_context": {},
		"request": {"http": {"method": "GET", "path": "/", "headers": {}}},
	}}
}

test_unverified_token_is_denied if {
	not jwt_required.allow with input as {"attributes": {
		"metadata_context": {},
		"request": {"http": {"headers": {
			"authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.",
			"x-jwt-payload": "eyJzdWIiOiJhbGljZSJ9",
		}}},
	}}
}

test_token_of_another_issuer_is_denied if {
	every issuer in ["https://evil.example", "https://issuer.example/", "", null, ["https://issuer.example"]] {
		not jwt_required.allow with input as verified(object.union(alice, {"iss": issuer}))
	}
}

test_token_without_an_issuer_is_denied if {
	not jwt_required.allow with input as verified({"sub": "alice@example.com"})
}

test_token_without_a_subject_is_denied if {
	not jwt_required.allow with input as verified({"iss": "https://issuer.example"})
}

test_subject_of_the_wrong_form_is_denied if {
	every subject in ["", null, 7, true, ["alice"], {"alice": true}] {
		not jwt_required.allow with input as verified(object.union(alice, {"sub": subject}))
	}
}

test_claims_of_the_wrong_type_are_denied if {
	every claims in [{}, null, "alice", ["alice"], 7, true] {
		not jwt_required.allow with input as verified(claims)
	}
}

test_metadata_of_another_filter_is_no_token if {
	not jwt_required.allow with input as {"attributes": {"metadata_context": {"filter_metadata": {"envoy.filters.http.lua": {"fields": alice}}}}}
}

test_tcp_connection_is_denied if {
	not jwt_required.allow with input as {"parsed_path": [""]}
}

test_without_data_nothing_is_allowed if {
	not jwt_required.allow with input as verified(alice) with data.jwt_required as {}
}
