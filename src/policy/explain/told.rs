//! What is told of a decision, for people and as JSON: no values but their redacted texts.

use serde::Serialize;

/// Why the entrypoint has the value that it has.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The definitions that gave the answer.
    pub decided_by: Vec<Place>,
    /// The rules of the entrypoint.
    pub rules: Vec<RuleTold>,
    /// Why not all is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_short: Option<String>,
}

/// Where a definition is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The rule, as `data.envoy.authz.allow`.
    pub rule: String,
    /// Its file.
    pub file: String,
    /// The line, from 1.
    pub row: u32,
    /// Whether it is a `default`.
    pub default: bool,
}

/// A rule, or a function with the arguments of one call.
#[derive(Clone, Debug, Serialize)]
pub struct RuleTold {
    /// Its path, as `data.envoy.authz.allow`.
    pub rule: String,
    /// The arguments, where it is a function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Vec<String>>,
    /// Its value; `undefined`, or why there is none.
    pub value: String,
    /// Its bodies, the nearest to holding first.
    pub definitions: Vec<BodyTold>,
    /// Its default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<DefaultTold>,
    /// Whether it is told elsewhere, and not here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
}

/// A default.
#[derive(Clone, Debug, Serialize)]
pub struct DefaultTold {
    /// Its file.
    pub file: String,
    /// Its line, from 1.
    pub row: u32,
    /// The text of its value.
    pub value: String,
    /// Whether it is what the rule has: no definition holds.
    pub used: bool,
}

/// A body of a definition, or of `every`.
#[derive(Clone, Debug, Serialize)]
pub struct BodyTold {
    /// Its file.
    pub file: String,
    /// Its line, from 1.
    pub row: u32,
    /// Whether it is an `else`.
    #[serde(rename = "else", skip_serializing_if = "std::ops::Not::not")]
    pub is_else: bool,
    /// How many conditions there are.
    pub conditions: usize,
    /// How many of them hold, from the first on.
    pub held: usize,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a body.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All conditions hold.
    Held {
        /// The value that it gives; `undefined` where that has none.
        value: String,
        /// Its conditions, where it would have to be otherwise.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        because: Vec<Condition>,
        /// Rules that the value is made of, or that the conditions name, and that stand in the way.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        rules: Vec<RuleTold>,
    },
    /// A condition does not hold.
    Stopped(Box<Stop>),
    /// An earlier branch holds.
    NotTried,
    /// It is for other arguments, of this form.
    OtherArguments(String),
    /// It could not be found out, for this reason.
    Untold(String),
}

/// A condition that holds.
#[derive(Clone, Debug, Serialize)]
pub struct Condition {
    /// Its line, from 1.
    pub row: u32,
    /// Its text in the policy.
    pub condition: String,
}

/// The condition that does not hold.
#[derive(Clone, Debug, Serialize)]
pub struct Stop {
    /// Its line, from 1.
    pub row: u32,
    /// Its text in the policy.
    pub condition: String,
    /// The same with values in the place of what it compares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with_values: Option<String>,
    /// Variables in it, each with its value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<String>,
    /// In how many ways the conditions before it hold: each was tried.
    pub tried: usize,
    /// What is missing, or hidden.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The element of `every` that does not hold, with what it stopped at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub element: Option<Element>,
    /// The rules that it names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleTold>,
}

/// An element of what `every` goes through.
#[derive(Clone, Debug, Serialize)]
pub struct Element {
    /// Variable and value.
    pub binding: String,
    /// Which one it is, from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// What came of its body.
    pub body: BodyTold,
}
