//! An explanation as text for a terminal.

use std::fmt;

use super::told::{BodyTold, Explanation, Outcome, RuleTold, Stop};

/// Rule by rule, what is inside two blanks further right.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Lines(Vec::new());
        for place in &self.decided_by {
            let default = if place.default { " (default)" } else { "" };
            lines.add(
                0,
                format!(
                    "decided by {}:{} {}{default}",
                    place.file, place.row, place.rule
                ),
            );
        }
        for rule in &self.rules {
            lines.rule(0, rule, true);
        }
        if let Some(why) = &self.cut_short {
            lines.add(0, format!("not all is told: {why}"));
        }
        f.write_str(&lines.0.join("\n"))
    }
}

struct Lines(Vec<String>);

impl Lines {
    fn add(&mut self, depth: usize, text: impl AsRef<str>) {
        self.0
            .push(format!("{}{}", "  ".repeat(depth), text.as_ref()));
    }

    fn rule(&mut self, depth: usize, told: &RuleTold, entrypoint: bool) {
        let arguments = told.arguments.as_ref();
        let arguments = arguments.map_or_else(String::new, |them| format!("({})", them.join(", ")));
        let elsewhere = if told.elsewhere {
            ", told elsewhere"
        } else {
            ""
        };
        let RuleTold { rule, value, .. } = told;
        self.add(depth, format!("{rule}{arguments} is {value}{elsewhere}"));
        if told.elsewhere {
            return;
        }
        let below = depth.saturating_add(1);
        let mut nearest = entrypoint;
        for body in &told.definitions {
            let stopped = matches!(body.outcome, Outcome::Stopped(_));
            self.body(below, body, (nearest && stopped, value));
            nearest &= !stopped;
        }
        if let Some(default) = &told.default {
            let used = if default.used { "" } else { ", not used" };
            let text = format!(
                "{}:{}  default {}{used}",
                default.file, default.row, default.value
            );
            self.add(below, text);
        }
    }

    fn body(&mut self, depth: usize, told: &BodyTold, (nearest, of_rule): (bool, &str)) {
        let branch = if told.is_else { " else" } else { "" };
        let place = format!("{}:{}{branch}", told.file, told.row);
        let BodyTold {
            conditions, held, ..
        } = told;
        let below = depth.saturating_add(1);
        match &told.outcome {
            Outcome::Held {
                value,
                because,
                rules,
            } => {
                let all = match conditions {
                    0 => String::new(),
                    1 => "its condition held: ".to_owned(),
                    all => format!("all {all} conditions held: "),
                };
                // What stands in the line above is not said again.
                let value = if value == of_rule { "this" } else { value };
                self.add(depth, format!("{place}  {all}it gives {value}"));
                for held in because {
                    let text = format!("{}:{}: {} held", told.file, held.row, held.condition);
                    self.add(below, text);
                }
                for rule in rules {
                    self.rule(below, rule, false);
                }
            }
            Outcome::Stopped(stop) => {
                let nearest = if nearest { ", the nearest" } else { "" };
                let plural = if *conditions == 1 { "" } else { "s" };
                let counted = format!("{held} of {conditions} condition{plural} held");
                self.add(depth, format!("{place}  {counted}{nearest}"));
                self.stop(below, &told.file, stop);
            }
            Outcome::NotTried => {
                self.add(depth, format!("{place}  not tried: an earlier one holds"))
            }
            Outcome::OtherArguments(parameters) => {
                self.add(
                    depth,
                    format!("{place}  only for the arguments ({parameters})"),
                );
            }
            Outcome::Untold(why) => self.add(depth, format!("{place}  not known: {why}")),
        }
    }

    fn stop(&mut self, depth: usize, file: &str, stop: &Stop) {
        self.add(depth, format!("{file}:{}: {}", stop.row, stop.condition));
        let below = depth.saturating_add(1);
        if let Some(values) = stop
            .with_values
            .as_ref()
            .filter(|it| **it != stop.condition)
        {
            self.add(below, format!("with values: {values}"));
        }
        if !stop.variables.is_empty() {
            self.add(below, format!("where {}", stop.variables.join(", ")));
        }
        if stop.tried > 1 {
            self.add(
                below,
                format!("tried in {} ways, of which this is the first", stop.tried),
            );
        }
        for note in &stop.notes {
            self.add(below, note);
        }
        if let Some(element) = &stop.element {
            let (number, of) = (element.number, element.of);
            self.add(below, format!("for {} ({number} of {of})", element.binding));
            self.body(below.saturating_add(1), &element.body, (false, ""));
        }
        for rule in &stop.rules {
            self.rule(below, rule, false);
        }
    }
}
