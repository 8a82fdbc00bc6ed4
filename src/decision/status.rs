//! The HTTP status of a denial.

use super::{Rule, read::wrong_type};
use crate::input::Value;

/// A status from 200 to 599 that Envoy's own enum knows (`envoy.type.v3.StatusCode`). Below 200 the
/// client would wait for the final answer for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpStatus(u16);

impl HttpStatus {
    /// 401.
    pub const UNAUTHORIZED: Self = Self(401);
    /// 403, what a denial gets when the policy names no status.
    pub const FORBIDDEN: Self = Self(403);

    /// The status with this number.
    pub fn new(status: u64) -> Option<Self> {
        match status {
            200..=208
            | 226
            | 300..=305
            | 307..=308
            | 400..=417
            | 421..=424
            | 426
            | 428..=429
            | 431
            | 500..=508
            | 510..=511 => u16::try_from(status).ok().map(Self),
            _ => None,
        }
    }

    pub(super) fn parse(value: &Value) -> Result<Self, Rule> {
        let Value::Number(number) = value else {
            return Err(wrong_type("a number", value));
        };
        number.as_u64().and_then(Self::new).ok_or(Rule::HttpStatus)
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }

    /// Whether an answer with this status may have a body (RFC 9110, 15.3.5, 15.3.6, 15.4.5).
    pub(super) fn has_body(self) -> bool {
        !matches!(self.0, 204 | 205 | 304)
    }
}
