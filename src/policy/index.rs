//! Where every rule of a policy set stands, and which rules another rule or a query can reach.
//!
//! Names are resolved wide on purpose: a variable counts as the rule or import of its name even
//! where a local variable hides it, and a reference with a part unknown at load time counts as
//! everything under the known part. Too much is slower, too little is wrong.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;

use regorus::unstable::{Expr, ExprRef, Import, Module, Query, Ref, Rule, RuleHead, Span};

use super::refs::{self, Chain, Segment, Visitor};

/// A module with what its names mean.
#[derive(Debug)]
pub(super) struct ModuleInfo {
    pub(super) module: Ref<Module>,
    /// Segments below `data`.
    pub(super) package: Vec<String>,
    /// What each import's name stands for.
    pub(super) imports: BTreeMap<String, Imported>,
}

/// What an import's name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Imported {
    /// Segments below `input`.
    Input(Vec<String>),
    /// Segments below `data`.
    Data(Vec<String>),
}

/// One definition of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RuleId {
    pub(super) module: usize,
    pub(super) rule: usize,
}

/// All rules of a policy set by their path below `data`.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) modules: Vec<ModuleInfo>,
    pub(super) rules: BTreeMap<Vec<String>, Vec<RuleId>>,
}

/// What a reference can mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The document below this path of `input`.
    Input(Vec<String>),
    /// Rules and base data at, above or below this path.
    Data(Vec<String>),
}

impl Index {
    /// Indexes `modules`.
    pub(super) fn new(modules: &[Ref<Module>]) -> Self {
        let mut index = Self {
            modules: Vec::new(),
            rules: BTreeMap::new(),
        };
        for (at, module) in modules.iter().enumerate() {
            let package = owned(&package_path(&module.package.refr));
            for (rule_at, rule) in module.policy.iter().enumerate() {
                let mut path = package.clone();
                path.extend(owned(&head_path(rule)));
                index.rules.entry(path).or_default().push(RuleId {
                    module: at,
                    rule: rule_at,
                });
            }
            let imports = module.imports.iter().filter_map(imported).collect();
            index.modules.push(ModuleInfo {
                module: module.clone(),
                package,
                imports,
            });
        }
        index
    }

    /// A name that begins with `prefix`, and that begins no name in any module.
    pub(super) fn fresh_prefix(&self, prefix: &str) -> String {
        let mut prefix = prefix.to_owned();
        let is_used = |prefix: &str| {
            let mut modules = self.modules.iter();
            modules.any(|info| {
                let source = &info.module.package.span.source;
                source.get_contents().contains(prefix)
            })
        };
        while is_used(&prefix) {
            prefix.push('_');
        }
        prefix
    }

    /// The syntax tree of `id`.
    pub(super) fn rule(&self, id: RuleId) -> Option<&Ref<Rule>> {
        self.modules.get(id.module)?.module.policy.get(id.rule)
    }

    /// Whether `expr` has a value wherever it stands in `module`: literals, comprehensions and local
    /// variables have.
    pub(super) fn is_defined(&self, module: Option<usize>, expr: &ExprRef) -> bool {
        match expr.as_ref() {
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. }
            | Expr::ArrayCompr { .. }
            | Expr::SetCompr { .. }
            | Expr::ObjectCompr { .. } => true,
            Expr::Var { .. } => self.meanings(module, &Chain::of(expr)).is_empty(),
            Expr::Array { items, .. } | Expr::Set { items, .. } => {
                items.iter().all(|item| self.is_defined(module, item))
            }
            Expr::Object { fields, .. } => fields.iter().all(|(_, key, value)| {
                self.is_defined(module, key) && self.is_defined(module, value)
            }),
            Expr::Call { .. }
            | Expr::UnaryExpr { .. }
            | Expr::RefDot { .. }
            | Expr::RefBrack { .. }
            | Expr::BinExpr { .. }
            | Expr::BoolExpr { .. }
            | Expr::ArithExpr { .. }
            | Expr::AssignExpr { .. }
            | Expr::Membership { .. } => false,
        }
    }

    /// Whether `id` defines a function.
    pub(super) fn is_function(&self, id: RuleId) -> bool {
        self.rule(id).is_none_or(|rule| {
            matches!(
                rule.as_ref(),
                Rule::Spec {
                    head: RuleHead::Func { .. },
                    ..
                }
            )
        })
    }

    /// The path of `id` below `data`.
    pub(super) fn path_of(&self, id: RuleId) -> Option<Vec<String>> {
        let mut path = self.modules.get(id.module)?.package.clone();
        path.extend(owned(&head_path(self.rule(id)?)));
        Some(path)
    }

    /// The definitions at, above or below `path`: all that evaluating `data.<path>` can run.
    pub(super) fn touching<'i>(&'i self, path: &'i [String]) -> impl Iterator<Item = RuleId> + 'i {
        let above = (0..path.len())
            .filter_map(|end| path.get(..end))
            .filter_map(|prefix| self.rules.get(prefix));
        let below = self.rules_below(path).map(|(_, ids)| ids);
        above.chain(below).flatten().copied()
    }

    /// The rules at or below `path`.
    pub(super) fn rules_below<'i>(
        &'i self,
        path: &'i [String],
    ) -> impl Iterator<Item = (&'i Vec<String>, &'i Vec<RuleId>)> + 'i {
        self.rules
            .range::<[String], _>((Bound::Included(path), Bound::Unbounded))
            .take_while(move |(rule, _)| rule.starts_with(path))
    }

    /// The packages as Rego writes them, in order and each once.
    pub(super) fn packages(&self) -> Vec<String> {
        let packages: BTreeSet<&Vec<String>> = self.modules.iter().map(|m| &m.package).collect();
        packages
            .into_iter()
            .map(|package| refs::data_path(package.iter().map(String::as_str)))
            .collect()
    }

    /// What `chain` can mean in module `module`; a query has no module.
    ///
    /// A name that is nothing here is a local variable: what it was bound to is met elsewhere.
    pub(super) fn meanings(&self, module: Option<usize>, chain: &Chain<'_>) -> Vec<Meaning> {
        let Some(name) = chain.root_name() else {
            return Vec::new();
        };
        let rest = owned(&chain.static_prefix());
        match name {
            "input" => return vec![Meaning::Input(rest)],
            "data" => return vec![Meaning::Data(rest)],
            _ => {}
        }
        let Some(info) = module.and_then(|at| self.modules.get(at)) else {
            return Vec::new();
        };
        let mut meanings = Vec::new();
        let mut own = info.package.clone();
        own.push(name.to_owned());
        if self.rules_below(&own).next().is_some() {
            own.extend(rest.clone());
            meanings.push(Meaning::Data(own));
        }
        // regorus resolves imports by package: a name imported in one file is known in all.
        let same_package = self.modules.iter().filter(|m| m.package == info.package);
        for target in same_package.filter_map(|m| m.imports.get(name)) {
            let meaning = match target {
                Imported::Input(base) => Meaning::Input([base.clone(), rest.clone()].concat()),
                Imported::Data(base) => Meaning::Data([base.clone(), rest.clone()].concat()),
            };
            if !meanings.contains(&meaning) {
                meanings.push(meaning);
            }
        }
        meanings
    }

    /// Every definition that evaluating `data.<path>` can run.
    pub(super) fn reachable_from_path(&self, path: &[String]) -> BTreeSet<RuleId> {
        self.close_over(self.touching(path).collect())
    }

    /// Every definition that evaluating `query` can run.
    pub(super) fn reachable_from_query(&self, query: &Query) -> BTreeSet<RuleId> {
        let mut seen = Found {
            index: self,
            module: None,
            rules: BTreeSet::new(),
        };
        refs::walk_query(query, &mut seen);
        self.close_over(seen.rules)
    }

    /// The definitions that one definition names.
    pub(super) fn named_by(&self, id: RuleId) -> BTreeSet<RuleId> {
        let mut seen = Found {
            index: self,
            module: Some(id.module),
            rules: BTreeSet::new(),
        };
        if let Some(rule) = self.rule(id) {
            refs::walk_rule(rule, &mut seen);
        }
        seen.rules
    }

    fn close_over(&self, roots: BTreeSet<RuleId>) -> BTreeSet<RuleId> {
        let mut queue: VecDeque<RuleId> = roots.iter().copied().collect();
        let mut reached = roots;
        while let Some(id) = queue.pop_front() {
            for next in self.named_by(id) {
                if reached.insert(next) {
                    queue.push_back(next);
                }
            }
        }
        reached
    }
}

/// Collects the rules that references and calls can mean.
struct Found<'i> {
    index: &'i Index,
    module: Option<usize>,
    rules: BTreeSet<RuleId>,
}

impl Found<'_> {
    fn add(&mut self, expr: &ExprRef) {
        let chain = Chain::of(expr);
        for meaning in self.index.meanings(self.module, &chain) {
            if let Meaning::Data(path) = meaning {
                self.rules.extend(self.index.touching(&path));
            }
        }
    }
}

impl<'a> Visitor<'a> for Found<'_> {
    fn expr(&mut self, expr: &'a ExprRef) {
        self.add(expr);
    }

    fn call(&mut self, _span: &'a Span, function: &'a ExprRef, _arguments: &'a [ExprRef]) {
        self.add(function);
    }
}

/// The path that a rule's head defines, up to the first key that only evaluation knows.
pub(super) fn head_path(rule: &Rule) -> Vec<&str> {
    let refr = match rule {
        Rule::Spec { head, .. } => match head {
            RuleHead::Compr { refr, .. }
            | RuleHead::Set { refr, .. }
            | RuleHead::Func { refr, .. } => refr,
        },
        Rule::Default { refr, .. } => refr,
    };
    package_path(refr)
}

/// The segments of a package's or a head's name.
fn package_path(refr: &ExprRef) -> Vec<&str> {
    let chain = Chain::of(refr);
    let mut path: Vec<&str> = chain.root_name().into_iter().collect();
    path.extend(chain.static_prefix());
    path
}

fn imported(import: &Import) -> Option<(String, Imported)> {
    let chain = Chain::of(&import.refr);
    let path = owned(&chain.static_prefix());
    let name = match &import.r#as {
        Some(name) => name.text().to_owned(),
        None => match chain.segments.last()? {
            Segment::Key(key) => (*key).to_owned(),
            Segment::Index(_) => return None,
        },
    };
    match chain.root_name()? {
        "input" => Some((name, Imported::Input(path))),
        "data" => Some((name, Imported::Data(path))),
        _ => None,
    }
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(|segment| (*segment).to_owned()).collect()
}
