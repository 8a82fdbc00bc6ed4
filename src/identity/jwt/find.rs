//! Where tokens are found in a request.
//!
//! Promises: every place that holds a token is seen, so that two are never taken for one; what
//! stands there is handed on as it is, and not looked into.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::{Location, Provider};
use crate::request::RequestView;

/// The locations of all providers, each once, in the order of the configuration.
#[derive(Debug)]
pub(super) struct Places(Vec<Place>);

/// One location.
#[derive(Debug)]
struct Place {
    location: Location,
    /// The providers whose tokens may stand there.
    providers: Vec<usize>,
}

/// What a request holds.
#[derive(Debug, Default)]
pub(super) struct Found<'r> {
    /// The first token.
    pub(super) first: Option<Token<'r>>,
    /// The places of all others, each once.
    pub(super) others: Vec<usize>,
}

/// A token and the place where it stands.
#[derive(Debug)]
pub(super) struct Token<'r> {
    pub(super) place: usize,
    pub(super) text: Cow<'r, str>,
}

impl Places {
    /// Without any provider there is still the usual place: a token there has an unknown issuer.
    pub(super) fn of(providers: &[Provider]) -> Self {
        let mut places: Vec<Place> = Vec::new();
        for (at, provider) in providers.iter().enumerate() {
            for location in &provider.locations {
                match places
                    .iter_mut()
                    .find(|place| is_same(&place.location, location))
                {
                    Some(place) if place.providers.contains(&at) => {}
                    Some(place) => place.providers.push(at),
                    None => places.push(Place {
                        location: location.clone(),
                        providers: vec![at],
                    }),
                }
            }
        }
        if providers.is_empty() {
            places.push(Place {
                location: Location::bearer(),
                providers: Vec::new(),
            });
        }
        Self(places)
    }

    pub(super) fn location(&self, place: usize) -> Option<&Location> {
        Some(&self.0.get(place)?.location)
    }

    /// The providers whose tokens may stand there.
    pub(super) fn providers_at(&self, place: usize) -> &[usize] {
        self.0.get(place).map_or(&[], |place| &place.providers)
    }

    /// Looks at every place.
    pub(super) fn find<'r>(&self, request: &'r RequestView<'_>) -> Found<'r> {
        let mut found = Found::default();
        let Some(http) = request.http() else {
            return found;
        };
        for (at, place) in self.0.iter().enumerate() {
            match &place.location {
                Location::Header { name, prefix } => {
                    let value = http.header(name).unwrap_or_default();
                    found.add(at, in_header(value, prefix));
                }
                Location::Cookie(name) => {
                    let value = http.header("cookie").unwrap_or_default();
                    found.add(at, in_cookies(value, name));
                }
                Location::Param(name) => found.add(at, in_query(http.raw_query(), name)),
            }
        }
        found
    }
}

impl<'r> Found<'r> {
    /// Every place where a token is; one may come twice.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        let first = self.first.iter().map(|token| token.place);
        first.chain(self.others.iter().copied())
    }

    fn add(&mut self, place: usize, tokens: impl Iterator<Item = Cow<'r, str>>) {
        for text in tokens.filter(|text| !text.is_empty()) {
            if self.first.is_none() {
                self.first = Some(Token { place, text });
            } else if self.others.last() != Some(&place) {
                self.others.push(place);
            }
        }
    }
}

/// The tokens of a header, whose values are joined with `,`. No token has a comma in it. A token
/// beside something else is two of them: what the upstream takes is not known.
fn in_header<'r>(value: &'r str, prefix: &str) -> impl Iterator<Item = Cow<'r, str>> {
    let values = value.split(',').map(str::trim_ascii_start);
    let token = values.clone().find_map(|value| behind(prefix, value));
    let beside = values.filter(|value| !value.is_empty()).nth(1);
    token
        .into_iter()
        .chain(token.and(beside))
        .map(Cow::Borrowed)
}

/// What stands behind the prefix. A prefix that ends with a space is an authentication scheme, which
/// has no case and is followed by one space or more (RFC 9110, section 11.1). After other white space,
/// at which some upstreams split, stands a token too, which is malformed for it.
fn behind<'r>(prefix: &str, value: &'r str) -> Option<&'r str> {
    let token = if let Some(scheme) = scheme(prefix) {
        let (start, rest) = value.split_at_checked(scheme.len())?;
        let is_it = start.eq_ignore_ascii_case(scheme) && rest.starts_with(char::is_whitespace);
        is_it.then(|| rest.trim_start_matches(' '))?
    } else {
        value.strip_prefix(prefix)?
    };
    (!token.trim_ascii().is_empty()).then_some(token)
}

/// The authentication scheme that a prefix is.
fn scheme(prefix: &str) -> Option<&str> {
    prefix.ends_with(' ').then(|| prefix.trim_end_matches(' '))
}

/// Whether two locations find the same tokens: a scheme has several spellings. Were they two places,
/// every token would count as two.
fn is_same(one: &Location, other: &Location) -> bool {
    let (
        Location::Header { name, prefix },
        Location::Header {
            name: other_name,
            prefix: other_prefix,
        },
    ) = (one, other)
    else {
        return one == other;
    };
    let same_prefix = match (scheme(prefix), scheme(other_prefix)) {
        (Some(scheme), Some(other)) => scheme.eq_ignore_ascii_case(other),
        (Some(_), None) | (None, Some(_)) => false,
        (None, None) => prefix == other_prefix,
    };
    name == other_name && same_prefix
}

/// The values of the cookies of this name (RFC 6265, section 4.2.1), without their quotes. A second
/// header of an HTTP/1 request is joined with `,`, and what stands there may be what the upstream takes.
fn in_cookies<'r>(cookies: &'r str, name: &str) -> impl Iterator<Item = Cow<'r, str>> {
    let pairs = cookies.split([';', ',']);
    let pairs = pairs.filter_map(|pair| pair.split_once('='));
    pairs
        .filter(move |(key, _)| key.trim_ascii() == name)
        .map(|(_, value)| value.trim_ascii())
        .map(|value| unquoted(value).unwrap_or(value))
        .map(Cow::Borrowed)
}

fn unquoted(value: &str) -> Option<&str> {
    value.strip_prefix('"')?.strip_suffix('"')
}

/// The values of the query parameters of this name.
fn in_query<'r>(query: &'r str, name: &str) -> impl Iterator<Item = Cow<'r, str>> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(move |(key, _)| Location::is_spelling(key, name))
        .map(|(_, value)| percent_decode_str(value).decode_utf8_lossy())
}
