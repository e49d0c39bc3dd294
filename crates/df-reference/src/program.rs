//! The programs: a tree of the nodes of docs/semantics.md over leaves whose outcome is scripted.

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
    /// Marks, and yields the JSON of this expression, worth so much. It may be one that nobody but
    /// Postgres can read, and stands in conditions only.
    Odd(&'static str, bool),
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
    /// As a mark, but its first tries fail, under a retry policy of so many attempts. The tries are
    /// counted over all its runs, by what no rollback takes back.
    Flaky {
        fails: u32,
        attempts: u32,
    },
    /// Fails with a SQLSTATE that its retry policy does not list; as a statement that Postgres
    /// refuses in a transaction block, or as any other.
    Unlisted {
        outside: bool,
    },
    /// A statement that Postgres refuses in a transaction block.
    Outside,
    /// A request that notes what the names stand for.
    Http(Answer),
    /// Until the next minute, which by the clock that it is reckoned by has begun; see
    /// [`SCHEDULES_ARE_DUE`](crate::SCHEDULES_ARE_DUE).
    Schedule,
    /// A sleep that is long enough to be waited for.
    Nap,
    /// Waits for a signal that nobody sends, until its timeout.
    Silence,
    /// Waits for a signal of a name that all such leaves share; as many are sent as they may take.
    Shared,
}

/// How the server of the tests answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Answer {
    /// 200, with what it was sent.
    Echo,
    /// 200 to a multipart form.
    Form,
    /// 404, which is a result.
    NotFound,
    /// 503, which is a failure.
    Unavailable,
    /// 503 to the first request of a run, then 200; the leaf has a retry policy.
    Recovers,
}

/// What Postgres takes for JSON, at the edge of what is true and of what can be read.
pub const ODD: [(&str, bool); 10] = [
    (r#"'"\ud800"'::json"#, true),
    (r#"'" \udc00 no"'::json"#, true),
    (r#"'{"\ud800": 0}'::json"#, true),
    (r#"'"\u0000"'::json"#, true),
    (r#"'" \n"'::json"#, false),
    (r#"'" \u0046alse"'::json"#, false),
    ("'1e-400'::json", true),
    ("(repeat('[', 1500) || repeat(']', 1500))::json", true),
    ("repeat('x', 70000)", true),
    ("repeat(' ', 70000) || 'no'", false),
];

/// The names that programs bind, all noted by every mark.
pub const NAMES: [&str; 3] = ["x", "y", "z"];

/// The name that [`Leaf::Shared`] waits for.
pub const SHARED: &str = "shared";
/// Tries that no policy of a program outlasts.
pub const NEVER: u32 = 1000;

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

    /// Every leaf with its number, and how often it may run at most.
    pub fn multiplied(&self) -> Vec<(u32, &Leaf, usize)> {
        fn visit<'a>(program: &'a Program, times: usize, all: &mut Vec<(u32, &'a Leaf, usize)>) {
            match program {
                Program::Leaf(leaf) => all.push((all.len() as u32 + 1, leaf, times)),
                Program::Loop(body, condition) => {
                    let times = times * condition.as_deref().map_or(1, most_turns);
                    visit(body, times, all);
                    condition.iter().for_each(|one| visit(one, times, all));
                }
                _ => program
                    .children()
                    .into_iter()
                    .for_each(|child| visit(child, times, all)),
            }
        }
        // A condition that says yes again and again says no in the end, after its last word at most.
        fn most_turns(condition: &Program) -> usize {
            let leaves = condition.numbered().into_iter();
            let words = leaves.map(|(_, leaf)| match leaf {
                Leaf::Ask(truths) => truths.len(),
                _ => 1,
            });
            words.max().unwrap_or(1)
        }
        let mut all = Vec::new();
        visit(self, 1, &mut all);
        all
    }

    /// Whether a race or a timeout may cut a run short.
    pub fn is_contested(&self) -> bool {
        let here = matches!(self, Program::Race(..) | Program::Timed(..));
        here || self.children().into_iter().any(Program::is_contested)
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
