//! What configuration wants of a request, beside what the policy says: denied, or stripped of tokens.

use super::Verifier;
use crate::identity::jwt::{Document, Location, OnFailure, find::Found};

impl<D: Document> Verifier<D> {
    /// Whether configuration denies a request without a verified token: the candidate provider's,
    /// else that of any provider that could have been meant.
    pub(super) fn denies(&self, found: &Found<'_>, candidate: Option<usize>) -> bool {
        let providers = self.providers();
        let on_invalid = |at: &usize| {
            let provider = providers.get(*at);
            provider.is_some_and(|provider| provider.on_invalid == OnFailure::Deny)
        };
        if found.first.is_none() {
            return providers
                .iter()
                .any(|provider| provider.on_missing == OnFailure::Deny);
        }
        match candidate {
            Some(at) => on_invalid(&at),
            None => found
                .places()
                .any(|place| self.places.providers_at(place).iter().any(on_invalid)),
        }
    }

    /// Where tokens are taken out: the candidate provider says it of its own token, any provider of
    /// the place says it of the others.
    pub(super) fn strip(&self, found: &Found<'_>, candidate: Option<usize>) -> Vec<&Location> {
        let strips = |at: &usize| {
            let provider = self.providers().get(*at);
            provider.is_some_and(|provider| provider.strip_on_allow)
        };
        let any_strips = |place: &usize| self.places.providers_at(*place).iter().any(strips);
        let first = found.first.iter().map(|token| token.place);
        let first =
            first.filter(|place| candidate.map_or_else(|| any_strips(place), |at| strips(&at)));
        let others = found.others.iter().copied().filter(any_strips);
        let mut places: Vec<usize> = first.chain(others).collect();
        places.dedup();
        let location = |place| self.places.location(place);
        places.into_iter().filter_map(location).collect()
    }
}
