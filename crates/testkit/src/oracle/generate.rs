//! Cases from a seed: the same seed makes the same cases.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::oracle::case::{Case, Membership, Method, Question, Row, Table};
use crate::oracle::password::{KNOWN, Known};
use crate::oracle::vocabulary::{
    CHECK_OPERATORS, CHECKS, CONTROLS, EXPANSIONS, FALL_THROUGH, GROUP_NAMES, LIMITS,
    ODD_OPERATORS, PASSWORD_OPERATORS, PATTERN_OPERATORS, PATTERNS, REPLIES, REPLY_OPERATORS,
    REQUESTS, UNKNOWN_NAMES, USER_NAMES, Word,
};

const QUESTIONS: usize = 3;

/// Makes one case after the other.
#[derive(Debug)]
pub struct Generator {
    random: StdRng,
    next: u64,
    /// What is set in checks.
    controls: Vec<&'static Word>,
}

/// A case that is being made.
struct Draft<'r> {
    random: &'r mut StdRng,
    controls: &'r [&'static Word],
    rows: Vec<Row>,
    memberships: Vec<Membership>,
}

impl Generator {
    pub fn new(seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            next: 1,
            controls: CONTROLS.iter().collect(),
        }
    }

    /// The same with hours and counters, which a reference has to enforce.
    #[must_use]
    pub fn with_limits(mut self) -> Self {
        self.controls.extend(LIMITS);
        self
    }

    /// The next `count` cases.
    pub fn cases(&mut self, count: usize) -> Vec<Case> {
        (0..count).map(|_| self.case()).collect()
    }

    fn case(&mut self) -> Case {
        let number = self.next;
        self.next += 1;
        let random = &mut self.random;
        let known = &KNOWN[usize::from(random.random_bool(0.2))];
        let (stored, asked) = if random.random_bool(0.8) {
            ("u§", "u§")
        } else {
            *pick(random, USER_NAMES)
        };
        let mut draft = Draft {
            random,
            controls: &self.controls,
            rows: Vec::new(),
            memberships: Vec::new(),
        };
        draft.user(stored, known);
        let Draft {
            rows, memberships, ..
        } = draft;
        let questions = questions(random, asked, known);
        Case {
            number,
            rows,
            memberships,
            questions,
        }
    }
}

impl Draft<'_> {
    fn user(&mut self, stored: &str, known: &Known) {
        let random = &mut *self.random;
        let is_password_in_group = random.random_bool(0.08);
        let has_checks = !is_password_in_group && random.random_bool(0.95);
        let has_replies = random.random_bool(0.75);
        let has_profile = random.random_bool(0.05);
        let groups = *pick(random, &[0, 0, 0, 1, 1, 1, 2, 2, 3]);
        if has_checks {
            self.password(Table::Check, stored, known);
            let checks = *pick(self.random, &[0, 0, 0, 0, 1, 1, 2]);
            self.checks(Table::Check, stored, checks);
        }
        if has_profile {
            self.push(Table::Check, stored, "User-Profile", ":=", "p§");
            self.membership("p§", "g§c", 1);
            self.group("g§c", None);
        }
        if has_replies {
            self.replies(Table::Reply, stored);
        }
        let groups = if is_password_in_group {
            groups.max(1)
        } else {
            groups
        };
        for (index, letter) in ['a', 'b', 'd'].into_iter().take(groups).enumerate() {
            let (member, name) = if self.random.random_bool(0.95) {
                ("g§", "g§")
            } else {
                *pick(self.random, GROUP_NAMES)
            };
            let priority = *pick(self.random, &[0, 1, 1, 1, 2, 3, -1]);
            self.membership(stored, &format!("{member}{letter}"), priority);
            let known = (is_password_in_group && index == 0).then_some(known);
            self.group(&format!("{name}{letter}"), known);
        }
        self.shuffle_a_little();
    }

    fn group(&mut self, name: &str, known: Option<&Known>) {
        if let Some(known) = known {
            self.password(Table::GroupCheck, name, known);
        }
        let checks = *pick(self.random, &[0, 0, 0, 0, 1, 1, 2]);
        self.checks(Table::GroupCheck, name, checks);
        if self.random.random_bool(0.04) {
            self.push(Table::GroupCheck, name, "Auth-Type", ":=", "Accept");
        }
        if self.random.random_bool(0.9) {
            self.replies(Table::GroupReply, name);
        }
    }

    fn password(&mut self, table: Table, owner: &str, known: &Known) {
        let random = &mut *self.random;
        let rows = if random.random_bool(0.9) { 1 } else { 2 };
        for _ in 0..rows {
            let random = &mut *self.random;
            let is_clear = random.random_bool(0.7);
            let (attribute, value) = if is_clear {
                known.forms[0]
            } else {
                *pick(random, known.forms)
            };
            let op = if random.random_bool(0.93) {
                ":="
            } else {
                *pick(random, PASSWORD_OPERATORS)
            };
            let value = if random.random_bool(0.04) {
                "wrong"
            } else {
                value
            };
            self.push(table, owner, attribute, op, value);
        }
    }

    fn checks(&mut self, table: Table, owner: &str, count: usize) {
        for _ in 0..count {
            let random = &mut *self.random;
            if random.random_bool(0.15) {
                let word = *pick(random, self.controls);
                let value = self.value(word, 0.8);
                let op = *pick(self.random, &[":=", ":=", ":=", ":=", "=", "==", "+="]);
                self.push(table, owner, word.name, op, &value);
                continue;
            }
            let word = pick(random, CHECKS);
            if random.random_bool(0.2) {
                let value = *pick(random, PATTERNS);
                let op = *pick(random, PATTERN_OPERATORS);
                self.push(table, owner, word.name, op, value);
            } else {
                let value = self.value(word, 0.92);
                let op = *pick(self.random, CHECK_OPERATORS);
                self.push(table, owner, word.name, op, &value);
            }
        }
    }

    fn replies(&mut self, table: Table, owner: &str) {
        let count = *pick(self.random, &[0, 1, 1, 1, 2, 2, 3, 4]);
        // A few attributes again and again, so that rows meet.
        let narrow = self.random.random_range(0..REPLIES.len() - 3);
        for _ in 0..count {
            let random = &mut *self.random;
            let word = match random.random_range(0..4) {
                0 | 1 => &REPLIES[random.random_range(narrow..narrow + 3)],
                2 => &REPLIES[random.random_range(0..3)],
                _ => pick(random, REPLIES),
            };
            let value = if self.random.random_bool(0.05) {
                (*pick(self.random, EXPANSIONS)).to_owned()
            } else {
                self.value(word, 0.98)
            };
            let op = match *pick(self.random, REPLY_OPERATORS) {
                // How these are compared differs, as the documents list.
                "<=" | ">=" if is_prefix(word) => ":=",
                "<=" | ">=" | "-=" | "==" if is_tagged(word) => ":=",
                op => op,
            };
            self.push(table, owner, word.name, op, &value);
        }
        if self.random.random_bool(0.3) {
            let value = *pick(self.random, FALL_THROUGH);
            let op = *pick(self.random, &["=", "=", "=", ":=", ":=", "+=", "=="]);
            self.push(table, owner, "Fall-Through", op, value);
        }
    }

    /// A value of the word, the right kind with this probability.
    fn value(&mut self, word: &Word, right: f64) -> String {
        let is_right = self.random.random_bool(right);
        let values = match (is_right, word.right, word.other) {
            (true, [_, ..], _) | (false, _, []) => word.right,
            (true, [], _) | (false, _, [_, ..]) => word.other,
        };
        (*pick(self.random, values)).to_owned()
    }

    /// Adds a row, now and then with a name or an operator that is a little off.
    fn push(&mut self, table: Table, owner: &str, attribute: &str, op: &str, value: &str) {
        let random = &mut *self.random;
        let attribute = match random.random_range(0..300) {
            0 => (*pick(random, UNKNOWN_NAMES)).to_owned(),
            1..=4 => attribute.to_lowercase(),
            5 | 6 => attribute.to_uppercase(),
            _ => attribute.to_owned(),
        };
        let op = match random.random_range(0..250) {
            0 => *pick(random, ODD_OPERATORS),
            _ => op,
        };
        self.rows.push(Row {
            table,
            owner: owner.to_owned(),
            attribute,
            op: op.chars().take(2).collect(),
            value: value.to_owned(),
        });
    }

    fn membership(&mut self, user: &str, group: &str, priority: i32) {
        self.memberships.push(Membership {
            user: user.to_owned(),
            group: group.to_owned(),
            priority,
        });
    }

    /// Passwords come first as a rule, but need not.
    fn shuffle_a_little(&mut self) {
        if self.rows.len() > 1 && self.random.random_bool(0.2) {
            let left = self.random.random_range(0..self.rows.len());
            let right = self.random.random_range(0..self.rows.len());
            self.rows.swap(left, right);
        }
    }
}

fn is_prefix(word: &Word) -> bool {
    word.name.contains("Prefix") || word.name.ends_with("HoA")
}

fn is_tagged(word: &Word) -> bool {
    word.name.starts_with("Tunnel-") || word.name.contains(':')
}

fn questions(random: &mut StdRng, user: &str, known: &Known) -> Vec<Question> {
    let mut questions: Vec<Question> = (0..QUESTIONS)
        .map(|_| {
            let method = match random.random_range(0..20) {
                0..=9 => Method::Pap,
                10..=13 => Method::Chap,
                14 | 15 => Method::MsChapV1,
                16..=18 => Method::MsChapV2,
                _ => Method::None,
            };
            let is_right = random.random_bool(0.93);
            let password = if is_right { known.password } else { "wrong" };
            let request = match random.random_range(0..10) {
                0..=6 => 0,
                7 | 8 => 1,
                _ => 2,
            };
            question(user, method, password, request)
        })
        .collect();
    questions[0] = question(user, Method::Pap, known.password, 0);
    questions
}

fn question(user: &str, method: Method, password: &str, request: usize) -> Question {
    Question {
        user: user.to_owned(),
        method,
        password: password.to_owned(),
        attributes: REQUESTS[request]
            .iter()
            .map(|&text| text.to_owned())
            .collect(),
    }
}

fn pick<'v, T>(random: &mut StdRng, values: &'v [T]) -> &'v T {
    &values[random.random_range(0..values.len())]
}
