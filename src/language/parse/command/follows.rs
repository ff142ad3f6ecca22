//! What may follow the words that were matched: for completion and hints, and for what an error expects.

use super::Matcher;
use crate::base::Carrier;
use crate::language::kind::Kind;
use crate::language::parse::next::Next;
use crate::language::verb::{Keyword, Lasting, Param};

impl Matcher<'_> {
    /// What may follow the matched words.
    pub fn next(&self) -> Vec<Next> {
        match self.pending {
            Some(pending @ Next::KeywordValue(keyword, _)) if keyword.optional => {
                [vec![pending], self.behind()].concat()
            }
            Some(pending) => vec![pending],
            None => self.behind(),
        }
    }

    /// What an error says that may follow.
    pub(super) fn expected(&self) -> Vec<String> {
        self.next().iter().map(Next::describe).chain(["the end of the line".into()]).collect()
    }

    /// What may follow a complete argument.
    fn behind(&self) -> Vec<Next> {
        let mut next: Vec<Next> =
            self.verb.params.get(self.param).map(|param| self.next_param(param)).into_iter().collect();
        let required = self.verb.params.get(self.param).filter(|param| self.must_have(param));
        if required.is_some_and(|param| !param.kind.is_text()) {
            return next;
        }
        let free = |keyword: &&'static Keyword| keyword.many || !self.has(keyword.word);
        for keyword in self.keywords().filter(free).map(Next::Keyword) {
            // Services share some options.
            if !next.contains(&keyword) {
                next.push(keyword);
            }
        }
        if required.is_some() {
            return next;
        }
        if self.binding.is_none() {
            next.push(Next::As);
        }
        if self.verb.lasting != Lasting::Instant {
            next.push(Next::Background);
        }
        next
    }

    fn next_param(&self, param: &'static Param) -> Next {
        match param.kind {
            Kind::Service => Next::Service(param, self.carrier()),
            Kind::Port | Kind::Peer if self.carrier() == Some(Carrier::Unix) => Next::Path,
            _ => Next::Param(param),
        }
    }
}
