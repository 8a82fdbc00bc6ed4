package portcullis.patterns.premium_tier_test

import data.portcullis.patterns.premium_tier

request(parsed_path, claims) := {
	"attributes": {
		"metadata_context": {"filter_metadata": {"envoy.filters.http.jwt_authn": {"fields": claims}}},
		"request": {"http": {"method": "POST"}},
	},
	"parsed_path": parsed_path,
}

test_premium_customer_may_charge if {
	premium_tier.allow with input as request(["v1", "charges"], {"tier": "premium"})
	premium_tier.allow with input as request(["v1", "charges", "ch_1"], {"tier": "premium"})
}

test_any_other_tier_may_not_charge if {
	every tier in ["free", "", "Premium", "premium ", "premium-trial", null, true, ["premium"], {"premium": true}] {
		not premium_tier.allow with input as request(["v1", "charges"], {"tier": tier})
	}
}

test_customer_without_a_tier_may_not_charge if {
	not premium_tier.allow with input as request(["v1", "charges"], {"sub": "alice@example.com"})
}

test_request_without_a_token_may_not_charge if {
	not premium_tier.allow with input as {
		"attributes": {"metadata_context": {}, "request": {"http": {"method": "POST", "headers": {"tier": "premium"}}}},
		"parsed_path": ["v1", "charges"],
	}
}

test_premium_opens_no_other_path if {
	every parsed_path in [
		[""],
		["v1"],
		["v1", "refunds"],
		["v2", "charges"],
		["api", "v1", "charges"],
		["V1", "charges"],
		["v1", "charges", ""],
		["v1", "charges", "..", "refunds"],
		["v1", "charges", "..;", "refunds"],
		["v1", "charges", "%2e%2e", "refunds"],
		["v1", "charges", "..\\refunds"],
	] {
		not premium_tier.allow with input as request(parsed_path, {"tier": "premium"})
	}
}

test_every_spelling_of_the_charges_is_recognized if {
	every parsed_path in [
		["v1", "charges"],
		["v1", "charges", "ch_1"],
		["v1", "", "charges"],
		["v1", "x", "..", "charges"],
		["v1", "Charges"],
		["v1", "charges;x=1"],
		["v1", "charges."],
		["v1\\charges"],
		["v1", "%63harges"],
	] {
		premium_tier.applies with input as request(parsed_path, {})
	}
}

test_other_paths_are_left_alone if {
	every parsed_path in [[""], ["v1", "orders"], ["v1", "surcharges"]] {
		premium_tier.applies == false with input as request(parsed_path, {})
	}
}

test_missing_path_counts_as_charges if {
	premium_tier.applies with input as {}
}
