# Nothing is allowed until a rule says so.
#
# An undefined decision is refused anyway; the default says it in the policy and gives it the reason
# `policy` instead of `undefined`. Start here and add `allow if` rules.
package portcullis.patterns.default_deny

default allow := false
