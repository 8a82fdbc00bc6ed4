# A sandbox namespace is shut out: `deny` holds for callers from `data.sandbox.namespaces`.
#
# A caller whose namespace is not proven may be anybody, so it is denied as well; otherwise a
# workload would leave the sandbox by dropping its certificate.
package portcullis.patterns.sandbox

default deny := false

deny if not outside

outside if {
	closed := data.sandbox.namespaces
	not input.source.spiffe.namespace in closed
	is_string(input.source.spiffe.namespace)
}
