//! Which evaluator runs a policy: the list of constructs that the virtual machine is proven to
//! evaluate as the interpreter does, and the search for anything else.
//!
//! A construct is on the list only while `tests/differential.rs` finds no policy made of listed
//! constructs on which the two disagree. Whatever the search does not know is not on the list.

mod search;

use std::collections::BTreeSet;

use super::LoadOptions;
use super::diagnostic::Diagnostic;
use super::entrypoint::Target;
use super::index::{Index, RuleId};

macro_rules! constructs {
    ($($(#[$doc:meta])* $name:ident: $proven:ident, $text:literal;)*) => {
        /// Something that Rego policies are made of, as far as the two evaluators may differ in it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Construct {
            $($(#[$doc])* $name,)*
        }

        impl Construct {
            /// Every construct.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Whether the virtual machine is proven to evaluate it as the interpreter does.
            pub const fn is_proven(self) -> bool {
                match self {
                    $(Self::$name => constructs!(@ $proven),)*
                }
            }

            /// What it is called in diagnostics.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
    (@ proven) => { true };
    (@ interpreted) => { false };
}

constructs! {
    /// `1`, `"a"`, `true`, `null`.
    Scalar: proven, "scalar";
    /// `[a, b]`.
    ArrayLiteral: proven, "array";
    /// `{a, b}`.
    SetLiteral: proven, "set";
    /// `{"k": v}`.
    ObjectLiteral: proven, "object";
    /// `{x: v}` with a key that is no string literal.
    ComputedObjectKey: interpreted, "object with a computed key";
    /// `input.a.b`.
    InputReference: proven, "reference to the input";
    /// `data.a.b` where no rule is.
    DataReference: proven, "reference to base data";
    /// A rule's value.
    RuleReference: proven, "reference to a rule";
    /// `data.a` where rules lie below.
    VirtualDocument: interpreted, "reference to a package or a part of one";
    /// A variable of the rule.
    LocalReference: proven, "local variable";
    /// `f(x).a`, `[1, 2][0]`.
    ExpressionReference: interpreted, "reference into an expression";
    /// `a[0]`.
    LiteralIndex: proven, "literal index";
    /// `a[x]` with a known `x`.
    BoundIndex: proven, "index by a known value";
    /// `a[_]`, `a[x]` with an open `x`.
    ReferenceIteration: proven, "iteration by reference";
    /// `a[[x, y]]`.
    PatternIndex: interpreted, "index by a pattern";
    /// `==`, `!=`, `<`, `<=`, `>`, `>=`.
    Comparison: proven, "comparison";
    /// `+`, `-`, `*`, `/`, `%`: the wrong type fails all of the interpreter's evaluation.
    Arithmetic: interpreted, "arithmetic";
    /// `-x`.
    UnaryMinus: interpreted, "unary minus";
    /// `|` and `&`: the wrong type fails all of the interpreter's evaluation.
    SetOperator: interpreted, "set operator";
    /// `x in xs`.
    Membership: proven, "membership";
    /// `k, v in xs`.
    KeyMembership: interpreted, "membership with a key";
    /// `x := e`.
    Assignment: proven, "assignment";
    /// `[x, y] := e`.
    Destructuring: interpreted, "destructuring";
    /// `a = b`.
    Unification: interpreted, "unification";
    /// `not e`.
    Negation: proven, "negation";
    /// `not e` where `e` iterates.
    NegatedIteration: interpreted, "iteration under `not`";
    /// `not f([x | ...])`: the machine does not assert what it asserts elsewhere.
    NegatedComprehension: interpreted, "comprehension under `not`";
    /// `some x in xs` where `xs` is a reference, which is iterated by reference, or a literal.
    SomeIn: proven, "`some ... in`";
    /// `some k, v in xs`, likewise.
    SomeKeyIn: proven, "`some ..., ... in`";
    /// `some x in f(y)`: no collection fails all of the interpreter's evaluation.
    SomeInComputed: interpreted, "`some ... in` over a computed value";
    /// `some [a, b] in xs`.
    SomeInPattern: interpreted, "pattern in `some ... in`";
    /// `some x` where a body begins.
    SomeDeclaration: proven, "`some` declaration";
    /// `some x` anywhere else: the interpreter fails when it meets one twice.
    LateDeclaration: interpreted, "`some` declaration behind other statements";
    /// `every x in xs {...}`.
    Every: proven, "`every`";
    /// `every i, x in xs { ys[i] ... }`: the machine takes `i` for open and finds any `ys[_]`.
    EveryIndex: interpreted, "index by a variable of `every`";
    /// `[x | ...]` of variables and literals.
    ArrayComprehension: proven, "array comprehension";
    /// `{x | ...}` of variables and literals.
    SetComprehension: proven, "set comprehension";
    /// `[x.a | ...]`: the machine keeps terms that are undefined.
    ComputedTerm: interpreted, "comprehension of a computed term";
    /// `[1 | input.x]`: the machine runs in circles where it does not begin with an iteration.
    LateIteration: interpreted, "comprehension that does not begin with an iteration";
    /// `{k: v | ...}`.
    ObjectComprehension: interpreted, "object comprehension";
    /// `e with t as v`.
    With: interpreted, "`with`";
    /// A built-in on the list of those called the same way by both.
    Builtin: proven, "built-in function";
    /// Any other built-in.
    OtherBuiltin: interpreted, "built-in function without proof";
    /// A call of the policy's own function.
    FunctionCall: proven, "call of a function";
    /// `f(x, out)`.
    OutputArgument: interpreted, "output argument";
    /// `r := e if {...}`, once.
    CompleteRule: proven, "complete rule";
    /// `r := e if {...}` where the body iterates and `e` is not constant.
    IteratedValue: interpreted, "complete rule whose value depends on an iteration";
    /// `r if {...}` several times with one constant value.
    EqualDefinitions: proven, "several definitions of one value";
    /// `r := e if {...}` several times otherwise.
    DifferingDefinitions: interpreted, "several definitions that may differ";
    /// `default r := v`.
    DefaultRule: proven, "default";
    /// `default r := {x | ...}`.
    ComputedDefault: interpreted, "computed default";
    /// `else := e` behind constant values.
    Else: proven, "`else`";
    /// `else := e` behind a value that may be undefined, where the machine stops.
    ElseBehindValue: interpreted, "`else` behind a computed value";
    /// `r if {...} {...}`.
    SeveralBodies: interpreted, "several bodies behind one head";
    /// `r contains x if {...}`.
    PartialSet: proven, "partial set";
    /// `r[k] := v if {...}`.
    PartialObject: interpreted, "partial object";
    /// `a.b.c := v`.
    ReferenceHead: interpreted, "rule head with a reference";
    /// `f(x) := e if {...}`.
    Function: proven, "function";
    /// `f([x, y])`, `f("a")`.
    FunctionPattern: interpreted, "pattern in a function's parameters";
    /// `default f(x) := v`.
    DefaultFunction: interpreted, "default of a function";
    /// A module in Rego v0.
    RegoV0: interpreted, "Rego v0";
    /// An entrypoint that is no single rule.
    DocumentEntrypoint: interpreted, "entrypoint that is no single rule";
    /// An entrypoint that is a query.
    QueryEntrypoint: interpreted, "query as entrypoint";
    /// `strict_builtin_errors`: the virtual machine gives up where the interpreter reports.
    StrictBuiltinErrors: interpreted, "strict built-in errors";
}

/// The built-ins behind [`Construct::Builtin`], each with its number of arguments.
pub const fn proven_builtins() -> &'static [(&'static str, usize)] {
    search::PROVEN_BUILTINS
}

/// Everything in the rules of `reachable` that is not proven, each construct where it comes first.
pub(super) fn unproven(
    index: &Index,
    reachable: &BTreeSet<RuleId>,
    target: &Target,
    options: &LoadOptions,
) -> Vec<Diagnostic> {
    let mut found = search::Findings::default();
    match target {
        Target::Rule { .. } => {}
        Target::Document { .. } => found.add(Construct::DocumentEntrypoint, None),
        Target::Query { .. } => found.add(Construct::QueryEntrypoint, None),
    }
    if options.strict_builtin_errors {
        found.add(Construct::StrictBuiltinErrors, None);
    }
    search::rules(index, reachable, &mut found);
    found.unproven()
}
