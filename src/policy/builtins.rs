//! The functions that a policy can call besides its own: those of regorus, and those that are
//! added to it here. Whoever asks what a name in a policy means asks this module.
//!
//! What of regorus' own could take long or much is replaced by a function that checks its arguments
//! first ([`replaced`]), on both evaluators and with everything that a built-in can be used for.
//!
//! Added functions run on the interpreter alone. They are called by name: neither `with` nor another
//! function can stand in for one, and regorus knows no output argument of theirs ([`super::rewrite`]
//! turns it into a unification).

mod caps;
mod jwt;
mod outside;
mod replaced;
mod stop;

use std::collections::BTreeSet;
use std::sync::Arc;

use regorus::Value;
use regorus::unstable::{BUILTINS, ExprRef, Query, Span};

use super::index::Index;
use super::refs::{self, Chain, Visitor};
use super::rewrite;
use crate::clock::Clock;
use jwt::{Jwt, JwtError};
use outside::{REMEMBERED, SEND};
pub(super) use replaced::exchange;
use replaced::{REPLACED, Replaced};
pub(super) use stop::observed;

/// The number of arguments of the function `name`; nothing if there is none of the name.
///
/// `print` takes any number and is not among them.
pub(super) fn arguments(name: &str) -> Option<usize> {
    if let Some((_, arguments, _)) = added(name) {
        return Some(usize::from(*arguments));
    }
    if name.starts_with(INTERNAL) {
        return None;
    }
    let (_, arguments) = BUILTINS.get(name)?;
    Some(usize::from(*arguments))
}

/// Whether `name` is a function that regorus itself does not have.
pub(super) fn is_added(name: &str) -> bool {
    added(name).is_some()
}

/// Every function, for suggestions.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let of_regorus = BUILTINS
        .keys()
        .copied()
        .filter(|name| !name.starts_with(INTERNAL));
    of_regorus.chain(jwt::FUNCTIONS.iter().map(|(name, _, _)| *name))
}

fn added(name: &str) -> Option<&'static (&'static str, u8, jwt::Function)> {
    jwt::FUNCTIONS.iter().find(|(known, _, _)| *known == name)
}

/// Adds the functions that the set or `query` calls to `engine`, and those that replace built-ins
/// that it names; every copy of an engine copies the names of its functions, so that one that is
/// not named is not worth its place.
///
/// An error inside a function makes the call undefined, or with `strict` fails the evaluation.
pub(super) fn add(
    engine: &mut regorus::Engine,
    index: &Index,
    query: Option<&Query>,
    strict: bool,
) -> anyhow::Result<()> {
    let named = Named::of(index, query);
    if named.product {
        engine.add_extension(BOUNDED.to_owned(), 1, Box::new(replaced::bounded))?;
    }
    for replaced in every_replaced() {
        // Only who is evaluated again needs to be given the same.
        let superfluous = is_remembered(replaced) && !named.sends();
        if named.names.contains(replaced.name) && !superfluous {
            let extension = Box::new(replaced.extension(strict));
            let arguments = arguments(replaced.name).and_then(|count| u8::try_from(count).ok());
            engine.add_extension(
                replaced.name.to_owned(),
                arguments.unwrap_or_default(),
                extension,
            )?;
        }
    }
    let called: Vec<_> = named.names.iter().filter_map(|name| added(name)).collect();
    if called.is_empty() {
        return Ok(());
    }
    let jwt = Arc::new(Jwt::new(Clock::System));
    for (name, arguments, function) in called {
        let jwt = Arc::clone(&jwt);
        let call = move |arguments: Vec<Value>| match jwt.call(*function, &arguments) {
            Ok(value) => Ok(value),
            Err(error @ JwtError::TooManyCandidates(_)) => {
                Err(replaced::failed(name, &error.to_string()))
            }
            // regorus fails the evaluation whatever the strictness.
            Err(error) if strict => Err(anyhow::anyhow!("`{name}`: {error}")),
            Err(_) => Ok(Value::Undefined),
        };
        let extension = move |arguments: Vec<Value>| {
            stop::check()?;
            call(arguments)
        };
        engine.add_extension((*name).to_owned(), *arguments, Box::new(extension))?;
    }
    Ok(())
}

/// Collects the names of what is called, and everything else that may name a function: `with f as g`
/// calls `g`.
#[derive(Debug, Default)]
struct Named {
    names: BTreeSet<String>,
    /// Whether something is multiplied.
    product: bool,
}

impl Named {
    fn of(index: &Index, query: Option<&Query>) -> Self {
        let mut named = Self::default();
        for info in &index.modules {
            for rule in &info.module.policy {
                refs::walk_rule(rule, &mut named);
            }
        }
        if let Some(query) = query {
            refs::walk_query(query, &mut named);
        }
        named
    }

    fn sends(&self) -> bool {
        self.names.contains(SEND.name)
    }
}

/// Whether the set or `query` names `http.send`.
pub(super) fn sends(index: &Index, query: Option<&Query>) -> bool {
    Named::of(index, query).sends()
}

/// The functions that the set or `query` names and whose answers depend on more than their arguments:
/// those that OPA marks so.
pub(super) fn nondeterministic(index: &Index, query: Option<&Query>) -> Vec<String> {
    let named = Named::of(index, query).names;
    let marked = named.into_iter();
    marked
        .filter(|name| NONDETERMINISTIC.contains(&name.as_str()))
        .collect()
}

/// Every function that stands in for one of regorus.
fn every_replaced() -> impl Iterator<Item = &'static Replaced> {
    REPLACED.iter().chain([&SEND]).chain(&REMEMBERED)
}

fn is_remembered(replaced: &Replaced) -> bool {
    REMEMBERED
        .iter()
        .any(|remembered| remembered.name == replaced.name)
}

impl<'a> Visitor<'a> for Named {
    fn expr(&mut self, expr: &'a ExprRef) {
        self.product |= rewrite::is_product(expr);
        self.names.extend(Chain::of(expr).dotted());
    }

    fn call(&mut self, _span: &'a Span, function: &'a ExprRef, _arguments: &'a [ExprRef]) {
        self.names.extend(Chain::of(function).dotted());
    }
}

/// What OPA 1.22.2 marks `nondeterministic` in its capabilities.
const NONDETERMINISTIC: [&str; 11] = [
    "http.send",
    "io.jwt.decode_verify",
    "io.jwt.encode_sign",
    "io.jwt.encode_sign_raw",
    "json.match_schema",
    "json.verify_schema",
    "net.lookup_ip_addr",
    "opa.runtime",
    "rand.intn",
    "time.now_ns",
    "uuid.rfc4122",
];

/// How regorus' own helper functions start.
const INTERNAL: &str = "__";

/// The function that [`super::rewrite`] puts around products: it returns its argument.
pub(super) const BOUNDED: &str = "__portcullis.bounded";
