//! Taking the caller's token out of a request that goes upstream (`strip_on_allow`).
//!
//! What the policy itself sets in the token's place stays: Envoy removes headers after it has set
//! others, so a header that the policy replaces is not removed as well.

use std::{collections::BTreeSet, sync::Arc};

use percent_encoding::percent_decode_str;

use super::{AppendAction, Decision, Header, HeaderName, Permit};
use crate::{identity::jwt::Location, request::RequestView};

impl Decision {
    /// Takes the token at `location` out of `request`, if the request goes through.
    pub fn strip(&mut self, location: &Location, request: &RequestView<'_>) {
        match self {
            Self::Allow(permit) => permit.strip(location, request),
            Self::Deny(_) => {}
        }
    }
}

impl Permit {
    fn strip(&mut self, location: &Location, request: &RequestView<'_>) {
        match location {
            Location::Header { name, .. } => self.strip_header(name),
            Location::Cookie(name) => self.strip_cookie(name, request),
            Location::Param(name) => self.strip_parameter(name, request),
        }
    }

    fn strip_header(&mut self, name: &str) {
        let mut replaced = false;
        for header in self.request_headers.iter_mut().filter(|h| h.is(name)) {
            // Joined to the token, it would bring the token along.
            if !replaced {
                header.append = None;
            }
            replaced = true;
        }
        if !replaced {
            self.request_headers_to_remove.push(HeaderName(name.into()));
        }
    }

    fn strip_cookie(&mut self, name: &str, request: &RequestView<'_>) {
        if self.request_headers.iter().any(|header| header.is(COOKIE)) {
            self.strip_header(COOKIE);
            return;
        }
        let cookies = request.header(COOKIE).unwrap_or_default();
        let others = cookies.split([';', ',']).map(str::trim).filter(|pair| {
            let cookie = pair.split('=').next().unwrap_or_default();
            !pair.is_empty() && cookie.trim() != name
        });
        let others = others.collect::<Vec<_>>().join("; ");
        if others.is_empty() {
            self.strip_header(COOKIE);
        } else {
            self.request_headers.push(Header {
                name: HeaderName(COOKIE.into()),
                value: Arc::from(others),
                append: Some(AppendAction::OverwriteIfExistsOrAdd),
            });
        }
    }

    /// Removes the parameter in each spelling that it has in the query.
    fn strip_parameter(&mut self, name: &str, request: &RequestView<'_>) {
        let path = request.http().map_or("", |http| http.path());
        let query = path.split('#').next().and_then(|p| p.split_once('?'));
        let pairs = query.map_or("", |(_, query)| query).split('&');
        let spellings: BTreeSet<&str> = pairs
            .map(|pair| pair.split('=').next().unwrap_or_default())
            .filter(|spelled| {
                let decoded = spelled.replace('+', " ");
                percent_decode_str(&decoded).decode_utf8_lossy() == name
            })
            .collect();
        self.query_parameters_to_remove
            .extend(spellings.into_iter().map(str::to_owned));
    }
}

impl Header {
    fn is(&self, name: &str) -> bool {
        self.name.as_str() == name
    }
}

const COOKIE: &str = "cookie";
