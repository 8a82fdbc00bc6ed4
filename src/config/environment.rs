//! `${NAME}` in the text of a configuration, replaced the way OPA replaces it.
//!
//! The replacement works on the text, before it is parsed: everything between `${` and the next `}`
//! on the same line is the name, exactly as written (no blanks are trimmed, `:-` gives no default),
//! quoting and comments make no difference, `$NAME` and `$$` mean nothing, and what a variable holds
//! is not looked through again. `${}` and a variable that is not set become nothing, as the releases
//! of OPA do that opa-envoy was built on (OPA 1.22 leaves an unset one as written); because that is
//! rarely meant, the names of unset variables are returned for a warning.

use std::collections::BTreeSet;

/// The environment: the value of a variable by its name. `cli` gives the real one.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// `text` with every `${NAME}` replaced; unset names are added to `unset`.
pub(super) fn substitute(text: &str, env: Environment<'_>, unset: &mut BTreeSet<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        match after.split_once('}') {
            Some((name, behind)) if !name.contains('\n') => {
                match env(name).filter(|_| !name.is_empty()) {
                    Some(value) => out.push_str(&value),
                    None if name.is_empty() => {}
                    None => {
                        unset.insert(name.to_owned());
                    }
                }
                rest = behind;
            }
            Some(_) | None => {
                out.push_str("${");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn replaced(text: &str) -> (String, Vec<String>) {
        let env = |name: &str| match name {
            "FOO" => Some("foo".to_owned()),
            "NEST" => Some("${FOO}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let mut unset = BTreeSet::new();
        let text = substitute(text, &env, &mut unset);
        (text, unset.into_iter().collect())
    }

    proptest! {
        #[test]
        fn text_without_a_variable_stays_as_it_is(text in "[^$]{0,40}", end in "[$]?[}]?") {
            let text = text + &end;
            prop_assert_eq!(replaced(&text).0, text);
        }

        #[test]
        fn what_stands_around_a_variable_is_kept(before in "[^$]{0,20}", after in "[^$]{0,20}") {
            let text = format!("{before}${{FOO}}{after}");
            prop_assert_eq!(replaced(&text).0, format!("{before}foo{after}"));
        }
    }

    #[test]
    fn each_form_is_replaced_as_opa_does_it() {
        for (text, want, unset) in [
            ("a: ${FOO}", "a: foo", &[][..]),
            ("a: \"${FOO}\" # ${FOO}", "a: \"foo\" # foo", &[]),
            ("${FOO}${FOO}", "foofoo", &[]),
            ("x${UNSET}y", "xy", &["UNSET"]),
            ("x${EMPTY}y", "xy", &[]),
            ("$FOO $${FOO}", "$FOO $foo", &[]),
            ("${}", "", &[]),
            ("${NEST}", "${FOO}", &[]),
            ("${ FOO }", "", &[" FOO "]),
            ("${FOO:-x}", "", &["FOO:-x"]),
            ("${FOO", "${FOO", &[]),
            ("${FOO\n}", "${FOO\n}", &[]),
            ("${\n${FOO}", "${\nfoo", &[]),
            ("${FOO${UNSET}}", "}", &["FOO${UNSET"]),
        ] {
            let (got, missing) = replaced(text);
            assert_eq!(got, want, "{text}");
            assert_eq!(missing, unset, "{text}");
        }
    }
}
