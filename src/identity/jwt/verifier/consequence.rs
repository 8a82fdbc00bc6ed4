//! What configuration wants of a request, beside what the policy says: denied, or stripped of tokens.

use super::Verifier;
use crate::identity::jwt::{Document, Location, OnFailure, find::Found};

impl<D: Document> Verifier<D> {
    /// Whether configuration denies a request without a verified token: that of any provider for which
    /// there is no token at all, whatever stands at the places of others; the candidate provider's,
    /// else that of any provider that could have been meant.
    pub(super) fn denies(&self, found: &Found<'_>, candidate: Option<usize>) -> bool {
        let providers = self.providers();
        let on_invalid = |at: &usize| {
            let provider = providers.get(*at);
            provider.is_some_and(|provider| provider.on_invalid == OnFailure::Deny)
        };
        let at_places = |is: &dyn Fn(&usize) -> bool| {
            let mut places = found.places();
            places.any(|place| self.places.providers_at(place).iter().any(is))
        };
        let missing = providers.iter().enumerate().any(|(at, provider)| {
            provider.on_missing == OnFailure::Deny && !at_places(&|other| *other == at)
        });
        missing
            || match candidate {
                Some(at) => on_invalid(&at),
                None => at_places(&on_invalid),
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
