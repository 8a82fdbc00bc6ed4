//! Columns for people: as wide as what stands in them.

use std::fmt;

/// Rows under a header, with free text between them.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    lines: Vec<Line<N>>,
}

#[derive(Debug)]
enum Line<const N: usize> {
    Row([String; N]),
    Below(String),
}

impl<const N: usize> Table<N> {
    /// A table with this header.
    pub(super) fn new(header: [&str; N]) -> Self {
        Self {
            lines: vec![Line::Row(header.map(str::to_owned))],
        }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: [String; N]) {
        self.lines.push(Line::Row(cells));
    }

    /// Adds text below the last row.
    pub(super) fn below(&mut self, text: &str) {
        self.lines.push(Line::Below(text.to_owned()));
    }

    fn widths(&self) -> [usize; N] {
        let mut widths = [0; N];
        for line in &self.lines {
            if let Line::Row(cells) = line {
                for (width, cell) in widths.iter_mut().zip(cells) {
                    *width = (*width).max(cell.chars().count());
                }
            }
        }
        widths
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for (at, line) in self.lines.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            match line {
                Line::Below(text) => write!(f, "{text}")?,
                Line::Row(cells) => {
                    let padded = |(cell, width): (&String, usize)| format!("{cell:<width$}  ");
                    let row: Vec<_> = cells.iter().zip(widths).map(padded).collect();
                    let row = row.concat();
                    f.write_str(row.trim_end())?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["A", "LONG"]);
        table.row(["wide".into(), "x".into()]);
        table.below("note");
        table.row(["é".into(), String::new()]);
        assert_eq!(table.to_string(), "A     LONG\nwide  x\nnote\né");
    }
}
