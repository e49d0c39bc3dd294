//! The programs: a tree of the contract's nodes over leaves whose outcome is scripted.

/// A workflow. Leaves are numbered from 1 in the order in which they are written.
#[derive(Debug, Clone, PartialEq)]
pub enum Program {
    Leaf(Leaf),
    Then(Box<Program>, Box<Program>),
    /// Two branches or more.
    Join(Vec<Program>),
    Race(Box<Program>, Box<Program>),
    /// Condition, then, else.
    If(Box<Program>, Box<Program>, Box<Program>),
    /// Whether the named result has rows, then, else.
    IfRows(&'static str, Box<Program>, Box<Program>),
    /// Body and condition.
    Loop(Box<Program>, Option<Box<Program>>),
    Named(Box<Program>, &'static str),
    /// At most so many seconds.
    Timed(Box<Program>, u32),
}

/// What acts. The SQL leaves write a row of the trace table, in their own transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Leaf {
    /// Yields its number, and notes what the names stand for.
    Mark,
    /// Yields one of these in turn, from the first again after the last.
    Ask(Vec<bool>),
    /// Writes as a mark does, then fails.
    Fail,
    /// Yields no row at all.
    Nothing,
    /// A sleep of no time.
    Sleep,
    /// Waits for a signal that was sent when the instance was started.
    Signal,
    /// Never ends.
    Endless,
    Break(Option<&'static str>),
}

/// The names that programs bind, all noted by every mark.
pub const NAMES: [&str; 3] = ["x", "y", "z"];

impl Program {
    pub fn then(self, right: Program) -> Program {
        Program::Then(self.into(), right.into())
    }

    pub fn race(self, right: Program) -> Program {
        Program::Race(self.into(), right.into())
    }

    pub fn named(self, name: &'static str) -> Program {
        Program::Named(self.into(), name)
    }

    pub fn timed(self, seconds: u32) -> Program {
        Program::Timed(self.into(), seconds)
    }

    /// This as a condition.
    pub fn choose(self, then: Program, or: Program) -> Program {
        Program::If(self.into(), then.into(), or.into())
    }

    /// This as a body that is repeated while the condition is true.
    pub fn repeat(self, condition: Program) -> Program {
        Program::Loop(self.into(), Some(condition.into()))
    }

    /// This as the body of a loop without a condition.
    pub fn forever(self) -> Program {
        Program::Loop(self.into(), None)
    }

    /// The children, in the order in which they are written.
    pub fn children(&self) -> Vec<&Program> {
        match self {
            Program::Leaf(_) => Vec::new(),
            Program::Then(a, b) | Program::Race(a, b) | Program::IfRows(_, a, b) => vec![a, b],
            Program::If(a, b, c) => vec![a, b, c],
            Program::Join(all) => all.iter().collect(),
            Program::Loop(body, condition) => std::iter::once(&**body)
                .chain(condition.as_deref())
                .collect(),
            Program::Named(inner, _) | Program::Timed(inner, _) => vec![inner],
        }
    }

    /// How many leaves stand in it.
    pub fn leaves(&self) -> u32 {
        match self {
            Program::Leaf(_) => 1,
            _ => self.children().into_iter().map(Program::leaves).sum(),
        }
    }

    /// Every leaf with its number.
    pub fn numbered(&self) -> Vec<(u32, &Leaf)> {
        fn visit<'a>(program: &'a Program, all: &mut Vec<(u32, &'a Leaf)>) {
            match program {
                Program::Leaf(leaf) => all.push((all.len() as u32 + 1, leaf)),
                _ => program
                    .children()
                    .into_iter()
                    .for_each(|child| visit(child, all)),
            }
        }
        let mut all = Vec::new();
        visit(self, &mut all);
        all
    }

    /// Whether the node has a name or a timeout: a second one would replace it.
    pub fn is_adorned(&self) -> bool {
        matches!(self, Program::Named(..) | Program::Timed(..))
    }

    /// Whether a break may leave the program.
    pub fn breaks_free(&self) -> bool {
        match self {
            Program::Leaf(leaf) => matches!(leaf, Leaf::Break(_)),
            Program::Loop(..) => false,
            _ => self.children().into_iter().any(Program::breaks_free),
        }
    }

    /// The node itself, without its name and timeout.
    pub fn bare(&self) -> &Program {
        match self {
            Program::Named(inner, _) | Program::Timed(inner, _) => inner.bare(),
            other => other,
        }
    }
}

impl From<Leaf> for Program {
    fn from(leaf: Leaf) -> Program {
        Program::Leaf(leaf)
    }
}
