package envoy.authz
default allow := false
allow if {
  input.attributes.source.principal == "spiffe://cluster.local/ns/commerce/sa/orders-api"
  claims := input.attributes.metadata_context.filter_metadata["envoy.filters.http.jwt_authn"].fields
  claims["tier"] == "premium"
}
