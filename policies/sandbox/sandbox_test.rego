package portcullis.patterns.sandbox_test

import data.portcullis.patterns.sandbox

from(namespace) := {"source": {"spiffe": {
	"id": sprintf("spiffe://cluster.local/ns/%s/sa/web", [namespace]),
	"namespace": namespace,
}}}

test_caller_in_the_sandbox_is_denied if {
	sandbox.deny with input as from("sandbox")
}

test_caller_outside_is_not_denied if {
	sandbox.deny == false with input as from("shop")
}

test_namespace_is_compared_whole if {
	every namespace in ["sandbox2", "my-sandbox", "sand"] {
		sandbox.deny == false with input as from(namespace)
	}
}

test_sandbox_of_another_trust_domain_is_denied if {
	sandbox.deny with input as {"source": {"spiffe": {
		"id": "spiffe://other.example/ns/sandbox/sa/web",
		"namespace": "sandbox",
	}}}
}

test_caller_without_identity_is_denied if {
	sandbox.deny with input as {"parsed_path": ["api"]}
}

test_identity_without_a_namespace_is_denied if {
	sandbox.deny with input as {"source": {"spiffe": {"id": "spiffe://cluster.local/vm/1"}}}
}

test_namespace_of_the_wrong_type_is_denied if {
	every namespace in [null, 7, ["shop"], {"shop": "shop"}] {
		sandbox.deny with input as {"source": {"spiffe": {"namespace": namespace}}}
	}
}

test_headers_do_not_prove_a_namespace if {
	sandbox.deny with input as {"attributes": {
		"source": {"principal": "client.example", "service": "spiffe://cluster.local/ns/shop/sa/web"},
		"request": {"http": {"headers": {"x-forwarded-client-cert": "URI=spiffe://cluster.local/ns/shop/sa/web"}}},
	}}
}

test_without_data_everybody_is_denied if {
	sandbox.deny with input as from("shop") with data.sandbox as {}
}
