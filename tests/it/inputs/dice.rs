//! Values of any type, random from a seed: bytes, texts, JSON, graphs whole and mutated, statements,
//! arrays, numbers at their limits, NULLs, and names that are worth guessing. It knows no function.

use df_postgres::quote_literal;

const STATEMENTS: [&str; 16] = [
    "select 1",
    "select $x",
    "commit",
    "select 1; select 2",
    "'",
    "--",
    "/*",
    "$$",
    "{var}",
    "{{}}",
    "drop schema df cascade",
    "select pg_sleep(0.1)",
    "select $x.* from $x?",
    "with x as (select 1) select * from x",
    "vacuum",
    "values (1, null), (2, 'é')",
];

const ODD: [&str; 16] = [
    "AAAAAAAA",
    "completed",
    "tree",
    "mermaid",
    "* * * * *",
    "99 * * * *",
    "https://example.com",
    "file:///etc/passwd",
    "{{x}}",
    "../..",
    "root.left[99999999999]",
    "-1",
    "1e400",
    "NaN",
    "infinity",
    "select",
];

/// SplitMix64 (Steele, Lea and Flood 2014): a failure is repeated by its seed.
pub struct Dice {
    state: u64,
    /// Ids, names and keys that are there, somebody else's too.
    pub known: Vec<String>,
    /// Ids of instances, somebody else's too.
    pub ids: Vec<String>,
    /// Graphs as the builders make them.
    pub graphs: Vec<String>,
}

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice {
            state: seed,
            known: Vec::new(),
            ids: Vec::new(),
            graphs: Vec::new(),
        }
    }

    pub fn roll(&mut self, below: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below as u64) as usize
    }

    pub fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }

    /// Any bytes, of no encoding.
    pub fn bytes(&mut self) -> Vec<u8> {
        let length = self.roll(40);
        (0..length).map(|_| self.roll(256) as u8).collect()
    }

    /// Any text that a client can send.
    pub fn text(&mut self) -> String {
        match self.roll(9) {
            0 => String::new(),
            1 => (0..self.roll(60))
                .map(|_| char::from_u32(1 + self.roll(0x2fff) as u32).unwrap_or('?'))
                .collect(),
            2 => self.json(4),
            3 => self.pick(&STATEMENTS).to_owned(),
            4 => self.pick(&ODD).to_owned(),
            5 => self.graph(4),
            6 => self.mutant(),
            7 => self.known(),
            _ => {
                let unit = self.pick(&["[", "x", "{\"a\":", "'", "é", "(", "$x"]);
                unit.repeat(self.roll(3000))
            }
        }
    }

    pub fn known(&mut self) -> String {
        let which = self.roll(self.known.len());
        self.known[which].clone()
    }

    pub fn id(&mut self) -> String {
        let which = self.roll(self.ids.len());
        self.ids[which].clone()
    }

    pub fn whole_graph(&mut self) -> String {
        let which = self.roll(self.graphs.len());
        self.graphs[which].clone()
    }

    /// A graph of the builders', changed in up to three places.
    pub fn mutant(&mut self) -> String {
        let mut letters: Vec<char> = self.whole_graph().chars().collect();
        for _ in 0..self.roll(4) {
            let length = letters.len();
            if length == 0 {
                break;
            }
            let (at, to) = (self.roll(length), self.roll(length));
            let (low, high) = (
                at.min(to),
                (at.max(to) + 1).min(at.min(to) + 40).min(length),
            );
            match self.roll(5) {
                0 => drop(letters.drain(low..high)),
                1 => letters.swap(at, to),
                2 => {
                    let again: Vec<char> = letters[low..high].to_vec();
                    letters.splice(at..at, again);
                }
                3 => {
                    let with = self.json(2);
                    letters.splice(low..high, with.chars());
                }
                _ => letters[at] = char::from(b' ' + self.roll(95) as u8),
            }
        }
        letters.into_iter().collect()
    }

    pub fn json(&mut self, depth: usize) -> String {
        match self.roll(if depth == 0 { 4 } else { 6 }) {
            0 => self
                .pick(&[
                    "null",
                    "true",
                    "0",
                    "-1",
                    "1e308",
                    "1e400",
                    "99999999999999999999",
                ])
                .to_owned(),
            1 => r#""\u0000""#.to_owned(),
            2 => r#""\ud800""#.to_owned(),
            3 => format!("\"{}\"", self.pick(&["x", "$a", "{v}", "", "SQL", "é"])),
            4 => format!(
                "[{}]",
                (0..self.roll(4))
                    .map(|_| self.json(depth - 1))
                    .collect::<Vec<_>>()
                    .join(",")
            ),
            _ => {
                let key = self.pick(&["node_type", "query", "left_node", "a", "", "retry"]);
                format!("{{\"{key}\":{}}}", self.json(depth - 1))
            }
        }
    }

    pub fn graph(&mut self, depth: usize) -> String {
        let kind = self.pick(&[
            "SQL",
            "THEN",
            "JOIN",
            "RACE",
            "IF",
            "LOOP",
            "BREAK",
            "SLEEP",
            "SIGNAL",
            "WAIT_SCHEDULE",
            "HTTP",
            "HTTP_MULTIPART",
            "EVIL",
        ]);
        let mut node = format!("{{\"node_type\":\"{kind}\"");
        for field in [
            "query",
            "left_node",
            "right_node",
            "condition_node",
            "extra_nodes",
            "retry",
            "node_timeout_seconds",
            "result_name",
        ] {
            if self.roll(2) == 0 {
                let value = match self.roll(3) {
                    0 if depth > 0 => self.graph(depth - 1),
                    1 => format!("\"{}\"", self.pick(&["1", "select 1", "{}", "", "x"])),
                    _ => self.json(2),
                };
                node.push_str(&format!(",\"{field}\":{value}"));
            }
        }
        node + "}"
    }

    /// A literal of a type, now and then NULL.
    pub fn literal(&mut self, of: &str) -> String {
        if self.roll(10) == 0 {
            return format!("null::{of}");
        }
        let text = match of {
            "boolean" => self.pick(&["true", "false"]).to_owned(),
            "integer" => self
                .pick(&["0", "-1", "1", "100", "2147483647", "-2147483648"])
                .to_owned(),
            "bigint" => self
                .pick(&[
                    "0",
                    "-1",
                    "1",
                    "9223372036854775807",
                    "-9223372036854775808",
                ])
                .to_owned(),
            "oid" | "regrole" | "regclass" | "xid" => {
                self.pick(&["0", "1", "1259", "4294967295"]).to_owned()
            }
            "double precision" | "numeric" => self
                .pick(&["0", "-1", "0.5", "1e300", "-1e300", "NaN", "Infinity"])
                .to_owned(),
            "interval" => self
                .pick(&["0", "-1 day", "1 second", "178000000 years"])
                .to_owned(),
            "json" | "jsonb" => self.json(4),
            "uuid" => format!("{:032x}", self.roll(usize::MAX)),
            "timestamp with time zone" => self
                .pick(&["now", "infinity", "-infinity", "epoch"])
                .to_owned(),
            "bytea" => {
                let digits = self.bytes();
                let digits = digits.iter().map(|byte| format!("{byte:02x}"));
                format!("\\x{}", digits.collect::<String>())
            }
            "integer[]" => self
                .pick(&["{}", "{1}", "{null}", "{1,-2,2147483647}", "{{1},{2}}"])
                .to_owned(),
            "text[]" => {
                let elements: Vec<String> = (0..self.roll(4)).map(|_| self.text()).collect();
                let elements = elements.iter().map(|e| quote_literal(&clean(e)));
                let elements: Vec<String> = elements.collect();
                return format!("array[{}]::text[]", elements.join(", "));
            }
            _ => self.text(),
        };
        format!("{}::{of}", quote_literal(&clean(&text)))
    }
}

/// Without what the protocol ends a text by.
fn clean(text: &str) -> String {
    text.replace('\0', "")
}
