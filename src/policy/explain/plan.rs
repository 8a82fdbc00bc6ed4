//! What can be asked of each body: its statements in their order, what each compares, the rules it
//! names. Owned by itself, so that it outlives the syntax trees it was read from.

use std::collections::BTreeSet;

use regorus::unstable::{
    Expr, ExprRef, Literal, LiteralStmt, Query, Rule, RuleAssign, RuleBody, RuleHead,
};

use super::addition::{text_between, text_of};
use super::decided::assigned;
use super::operands::{self, Operand, Piece};
use super::scope::{Call, Named, Place, Reads};
use crate::policy::index::{Index, RuleId};
use crate::policy::refs;

/// A body of a rule, of an `else`, or of `every`.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) module: usize,
    pub(super) file: String,
    pub(super) row: u32,
    pub(super) is_else: bool,
    /// Whether nothing can be asked of it.
    pub(super) closed: bool,
    /// The patterns of the arguments it is given, in order.
    pub(super) arguments: Vec<String>,
    /// The variables that it has from these.
    pub(super) given: Vec<String>,
    pub(super) steps: Vec<Step>,
    /// The text of its value, or of the key that it adds.
    pub(super) value: Option<String>,
    /// What that names.
    pub(super) value_reads: Vec<Reads>,
    /// Whether its value, if it is constant, lets a request through.
    pub(super) may_allow: bool,
}

/// One statement, or several that only make sense together.
#[derive(Debug)]
pub(super) struct Step {
    /// The number of its first statement in the body.
    pub(super) at: usize,
    pub(super) text: String,
    /// What is evaluated: the text, with the variables that it uses first declared.
    pub(super) evaluated: String,
    pub(super) row: u32,
    pub(super) negated: bool,
    /// The variables that are known behind it, in order.
    pub(super) known: Vec<String>,
    pub(super) pieces: Vec<Piece>,
    pub(super) operands: Vec<Operand>,
    /// What is read in it.
    pub(super) reads: Vec<Reads>,
    pub(super) calls: Vec<CallPlan>,
    /// Whether rules mean in it what they mean elsewhere: not behind `with`.
    pub(super) plain: bool,
    pub(super) every: Option<EveryPlan>,
    /// Variables that a later statement has to give a value to.
    open: BTreeSet<String>,
    /// Those that this one can give a value to.
    gives: BTreeSet<String>,
}

/// A call of a function of the policy.
#[derive(Debug)]
pub(super) struct CallPlan {
    pub(super) function: Vec<String>,
    pub(super) arguments: Vec<String>,
}

/// The elements that `every` goes through, and the number of the body it has.
#[derive(Debug)]
pub(super) struct EveryPlan {
    pub(super) domain: String,
    pub(super) key: Option<String>,
    pub(super) value: String,
    pub(super) body: usize,
}

/// A definition: its bodies, those of an `else` behind the first.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) path: Vec<String>,
    pub(super) file: String,
    pub(super) row: u32,
    pub(super) bodies: Vec<usize>,
    /// The text of the value, if it is a default.
    pub(super) default: Option<String>,
}

/// What was found not to compile by itself.
#[derive(Debug, Default)]
pub(super) struct Adjusted {
    /// Statements that belong to the one before, by body and number.
    pub(super) joined: BTreeSet<(usize, usize)>,
    /// Bodies of which nothing can be asked.
    pub(super) closed: BTreeSet<usize>,
    /// Questions that cannot be asked, by name.
    pub(super) dropped: BTreeSet<String>,
}

/// Everything that can be asked of a policy.
#[derive(Debug, Default)]
pub(super) struct Plans {
    pub(super) definitions: Vec<Definition>,
    pub(super) bodies: Vec<Body>,
}

impl Plans {
    /// Plans for the definitions in `rules`.
    pub(super) fn new(index: &Index, rules: &BTreeSet<RuleId>, adjusted: &Adjusted) -> Self {
        let mut planner = Planner {
            index,
            adjusted,
            plans: Self::default(),
        };
        for id in rules.iter().take(MOST_DEFINITIONS) {
            planner.definition(*id);
        }
        planner.plans
    }
}

struct Planner<'i> {
    index: &'i Index,
    adjusted: &'i Adjusted,
    plans: Plans,
}

impl Planner<'_> {
    fn definition(&mut self, id: RuleId) -> Option<()> {
        let rule = self.index.rule(id)?.clone();
        let path = self.index.path_of(id)?;
        let mut definition = Definition {
            path,
            file: rule.span().source.get_path().clone(),
            row: rule.span().line,
            bodies: Vec::new(),
            default: None,
        };
        match rule.as_ref() {
            Rule::Default { value, .. } => definition.default = text_of(value),
            Rule::Spec { head, bodies, .. } => {
                if bodies.is_empty() {
                    definition.bodies.push(self.body(id, &rule, head, None)?);
                }
                for body in bodies {
                    definition
                        .bodies
                        .push(self.body(id, &rule, head, Some(body))?);
                }
            }
        }
        self.plans.definitions.push(definition);
        Some(())
    }

    fn body(
        &mut self,
        id: RuleId,
        rule: &Rule,
        head: &RuleHead,
        body: Option<&RuleBody>,
    ) -> Option<usize> {
        let none = BTreeSet::new();
        let place = |known| Place {
            index: self.index,
            module: id.module,
            known,
        };
        let parameters: &[ExprRef] = match head {
            RuleHead::Func { args, .. } => args,
            RuleHead::Compr { .. } | RuleHead::Set { .. } => &[],
        };
        let given: BTreeSet<String> = parameters
            .iter()
            .flat_map(|parameter| place(&none).expr(parameter).locals)
            .collect();
        let is_else = body.is_some_and(|body| body.is_else);
        let (value, expr) = match body.filter(|body| body.is_else) {
            Some(body) => of_assign(body.assign.as_ref()),
            None => match head {
                RuleHead::Compr { assign, .. } | RuleHead::Func { assign, .. } => {
                    of_assign(assign.as_ref())
                }
                RuleHead::Set { key, .. } => (key.as_ref().and_then(text_of), key.clone()),
            },
        };
        let begin = Begin {
            module: id.module,
            file: rule.span().source.get_path().clone(),
            row: match body {
                Some(body) if is_else => body.span.line,
                Some(_) | None => rule.span().line,
            },
            given,
        };
        let arguments = parameters.iter().map(text_of).collect::<Option<Vec<_>>>()?;
        let number = self.statements(&begin, body.map(|body| &*body.query));
        let may_allow = expr.as_ref().is_none_or(may_allow);
        let planned = self.plans.bodies.get(number)?;
        let known = planned.known();
        let reads = expr.map(|expr| place(&known).expr(&expr).reads);
        let planned = self.plans.bodies.get_mut(number)?;
        planned.arguments = arguments;
        planned.is_else = is_else;
        planned.value = value;
        planned.value_reads = reads.unwrap_or_default();
        planned.may_allow = may_allow;
        Some(number)
    }

    /// Plans the statements of a body; bodies inside come behind it.
    fn statements(&mut self, begin: &Begin, query: Option<&Query>) -> usize {
        let number = self.plans.bodies.len();
        self.plans.bodies.push(Body {
            module: begin.module,
            file: begin.file.clone(),
            row: begin.row,
            is_else: false,
            closed: self.adjusted.closed.contains(&number),
            arguments: Vec::new(),
            given: begin.given.iter().cloned().collect(),
            steps: Vec::new(),
            value: None,
            value_reads: Vec::new(),
            may_allow: true,
        });
        let mut known = begin.given.clone();
        let mut pending = BTreeSet::new();
        let mut steps: Vec<Step> = Vec::new();
        let statements = query
            .map(|query| query.stmts.as_slice())
            .unwrap_or_default();
        for (at, statement) in statements.iter().enumerate() {
            if let Literal::SomeVars { vars, .. } = &statement.literal {
                pending.extend(vars.iter().map(|var| var.text().to_owned()));
                continue;
            }
            let planned = self.step(begin, (at, statement), &mut known, &mut pending);
            let Some(step) = planned else {
                continue;
            };
            let joined = self.adjusted.joined.contains(&(number, at));
            match steps.last_mut() {
                Some(last) if joined || !last.open.is_empty() => last.join(step),
                Some(_) | None => steps.push(step),
            }
        }
        if let Some(body) = self.plans.bodies.get_mut(number) {
            body.steps = steps;
        }
        number
    }

    fn step(
        &mut self,
        begin: &Begin,
        (at, statement): (usize, &LiteralStmt),
        known: &mut BTreeSet<String>,
        pending: &mut BTreeSet<String>,
    ) -> Option<Step> {
        let mut seen = known.clone();
        seen.extend(pending.iter().cloned());
        let place = Place {
            index: self.index,
            module: begin.module,
            known: &seen,
        };
        let Named {
            mut locals,
            given: gives,
            reads,
            calls,
            ..
        } = place.statement(statement);
        let mut used: Vec<String> = Vec::new();
        for read in &reads {
            if let Reads::Local(name, _) = read
                && pending.remove(name)
            {
                used.push(name.clone());
            }
        }
        locals.extend(used.iter().cloned());
        let text = text_between(&statement.span, &statement.span)?;
        let declared = (!used.is_empty()).then(|| format!("some {}", used.join(", ")));
        let guard = operands::guard(statement);
        let evaluated: Vec<String> = declared
            .into_iter()
            .chain(guard)
            .chain([text.clone()])
            .collect();
        let (pieces, operands) = operands::of(&place, statement);
        let every = self.every(begin, statement, known);
        let open = locals.difference(&gives).cloned().collect();
        known.extend(locals);
        Some(Step {
            at,
            text,
            evaluated: evaluated.join("\n"),
            row: statement.span.line,
            negated: matches!(statement.literal, Literal::NotExpr { .. }),
            known: known.iter().cloned().collect(),
            pieces,
            operands,
            reads,
            calls: calls.into_iter().filter_map(call_plan).collect(),
            plain: statement.with_mods.is_empty(),
            every,
            open,
            gives,
        })
    }

    fn every(
        &mut self,
        begin: &Begin,
        statement: &LiteralStmt,
        known: &BTreeSet<String>,
    ) -> Option<EveryPlan> {
        let Literal::Every {
            key,
            value,
            domain,
            query,
            ..
        } = &statement.literal
        else {
            return None;
        };
        let key = key.as_ref().map(|key| key.text().to_owned());
        let value = value.text().to_owned();
        let mut given = known.clone();
        given.extend(
            key.iter()
                .chain([&value])
                .filter(|name| *name != "_")
                .cloned(),
        );
        let inner = Begin {
            given,
            row: statement.span.line,
            ..begin.clone()
        };
        let body = self.statements(&inner, Some(query));
        Some(EveryPlan {
            domain: text_of(domain)?,
            key,
            value,
            body,
        })
    }
}

#[derive(Clone)]
struct Begin {
    module: usize,
    file: String,
    row: u32,
    given: BTreeSet<String>,
}

impl Body {
    /// The variables known at its end.
    pub(super) fn known(&self) -> BTreeSet<String> {
        let last = self.steps.last().map_or(&self.given, |step| &step.known);
        last.iter().cloned().collect()
    }
}

impl Step {
    /// Takes `next` in: neither can be asked alone, and then nobody asks what they compare.
    fn join(&mut self, next: Self) {
        self.text.push_str("; ");
        self.text.push_str(&next.text);
        self.evaluated.push('\n');
        self.evaluated.push_str(&next.evaluated);
        self.known = next.known;
        self.open.extend(next.open);
        self.gives.extend(next.gives);
        let gives = &self.gives;
        self.open.retain(|name| !gives.contains(name));
        self.negated = false;
        self.pieces = Vec::new();
        self.operands = Vec::new();
        self.calls = Vec::new();
        self.reads.extend(next.reads);
        self.plain &= next.plain;
        self.every = None;
    }
}

fn of_assign(assign: Option<&RuleAssign>) -> (Option<String>, Option<ExprRef>) {
    (
        assign.and_then(assigned),
        assign.map(|assign| assign.value.clone()),
    )
}

fn call_plan(call: Call) -> Option<CallPlan> {
    let arguments = call.arguments.iter().map(text_of);
    Some(CallPlan {
        function: call.function,
        arguments: arguments.collect::<Option<_>>()?,
    })
}

/// Whether a value may let a request through: constants that do not are known.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only booleans and objects are known without evaluating"
)]
fn may_allow(value: &ExprRef) -> bool {
    match value.as_ref() {
        Expr::Bool { value, .. } => *value == true.into(),
        Expr::Object { fields, .. } => !fields.iter().any(|(_, key, value)| {
            refs::string_literal(key) == Some("allowed") && !may_allow(value)
        }),
        _ => true,
    }
}

/// How many definitions are looked at.
const MOST_DEFINITIONS: usize = 5000;
