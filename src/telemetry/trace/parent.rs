//! The caller's span, as the metadata of its call tells it: W3C Trace Context and B3, single and multi.
//!
//! Promises to read hostile headers without allocating and in time bounded by their length, and to
//! take what is not exactly of its specification's form for absent.

use http::HeaderMap;

/// A span of somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// Its trace; not all zeros.
    pub trace_id: [u8; 16],
    /// The span; not all zeros.
    pub span_id: [u8; 8],
}

/// What a caller says of its trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parent {
    /// Its span.
    pub context: Option<Context>,
    /// Whether the trace is recorded; `None` leaves that to us.
    pub sampled: Option<bool>,
}

impl Parent {
    /// What these headers say. A span in B3 form counts before one in W3C form, as with OPA; a decision
    /// of B3 without a span counts when nobody names one.
    pub fn of(metadata: &HeaderMap) -> Self {
        let single = only(metadata, "b3").and_then(b3_single);
        let named = |parent: &Self| parent.context.is_some();
        if let Some(parent) = single.filter(named) {
            return parent;
        }
        let several = b3_multi(metadata);
        if named(&several) {
            return several;
        }
        let w3c = only(metadata, "traceparent").and_then(traceparent);
        w3c.or(single).unwrap_or(several)
    }
}

/// The value of a header that is there once.
fn only<'m>(metadata: &'m HeaderMap, name: &'static str) -> Option<&'m [u8]> {
    let mut values = metadata.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes())
}

/// `version-traceid-spanid-flags` (W3C Trace Context, section 3.2).
fn traceparent(text: &[u8]) -> Option<Parent> {
    let (version, rest) = hex::<1>(text)?;
    let (trace_id, rest) = hex::<16>(dash(rest)?)?;
    let (span_id, rest) = hex::<8>(dash(rest)?)?;
    let (flags, rest) = hex::<1>(dash(rest)?)?;
    let whole = match version {
        // Forbidden.
        [0xff] => false,
        [0] => rest.is_empty(),
        // Later versions may have more, behind a dash.
        _ => rest.is_empty() || rest.starts_with(b"-"),
    };
    let [flags] = flags;
    let context = context(trace_id, span_id).filter(|_| whole)?;
    Some(Parent {
        context: Some(context),
        sampled: Some(flags & 1 == 1),
    })
}

/// `traceid-spanid-state-parentid`, of which the last two may be missing; or the state alone.
fn b3_single(text: &[u8]) -> Option<Parent> {
    if let Some(sampled) = b3_state(text) {
        return Some(Parent {
            context: None,
            sampled: Some(sampled),
        });
    }
    let (trace_id, rest) = b3_trace_id(text)?;
    let (span_id, rest) = hex::<8>(dash(rest)?)?;
    let sampled = match dash(rest) {
        None if rest.is_empty() => None,
        None => return None,
        Some(rest) => {
            let (state, rest) = rest.split_at_checked(1)?;
            if !rest.is_empty() {
                let (_, end) = hex::<8>(dash(rest)?)?;
                end.is_empty().then_some(())?;
            }
            Some(b3_state(state)?)
        }
    };
    Some(Parent {
        context: Some(context(trace_id, span_id)?),
        sampled,
    })
}

fn b3_state(text: &[u8]) -> Option<bool> {
    match text {
        b"0" => Some(false),
        // Debug is to record, by all means.
        b"1" | b"d" => Some(true),
        _ => None,
    }
}

/// `x-b3-traceid` and its kin.
fn b3_multi(metadata: &HeaderMap) -> Parent {
    let debug = only(metadata, "x-b3-flags") == Some(b"1");
    let sampled = match only(metadata, "x-b3-sampled") {
        Some(b"1" | b"true") => Some(true),
        Some(b"0" | b"false") => Some(false),
        Some(_) | None => None,
    };
    let context = || {
        let (trace_id, b"") = b3_trace_id(only(metadata, "x-b3-traceid")?)? else {
            return None;
        };
        let (span_id, b"") = hex::<8>(only(metadata, "x-b3-spanid")?)? else {
            return None;
        };
        context(trace_id, span_id)
    };
    Parent {
        context: context(),
        sampled: if debug { Some(true) } else { sampled },
    }
}

/// 128 bits, or the lower 64 of them.
fn b3_trace_id(text: &[u8]) -> Option<([u8; 16], &[u8])> {
    hex::<16>(text).or_else(|| {
        let (low, rest) = hex::<8>(text)?;
        Some((u128::from(u64::from_be_bytes(low)).to_be_bytes(), rest))
    })
}

fn context(trace_id: [u8; 16], span_id: [u8; 8]) -> Option<Context> {
    let valid = trace_id != [0; 16] && span_id != [0; 8];
    valid.then_some(Context { trace_id, span_id })
}

fn dash(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b"-")
}

/// `N` bytes in lower-case digits at the start of `text`, and what follows them.
fn hex<const N: usize>(text: &[u8]) -> Option<([u8; N], &[u8])> {
    let mut bytes = [0; N];
    let mut digits = text.iter();
    for byte in &mut bytes {
        *byte = (digit(*digits.next()?)? << 4) | digit(*digits.next()?)?;
    }
    Some((bytes, digits.as_slice()))
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(character.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
