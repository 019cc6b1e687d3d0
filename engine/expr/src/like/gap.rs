//! One stretch of a pattern between two `%`: characters and `_`, of a fixed number of characters.

/// Characters in a row; `None` stands for any one.
#[derive(Clone, Debug)]
pub(super) enum Gap {
    Literal { text: String, chars: usize },
    Masked { pieces: Vec<Option<char>>, masks: Box<Masks> },
}

/// For shift-and: bit i of a character's mask is set when piece i accepts it.
#[derive(Clone, Debug)]
pub(super) struct Masks {
    ascii: [u64; 128],
    others: Vec<(char, u64)>,
    /// The mask of a character that the pattern does not name: the bits of `_`.
    any: u64,
}

impl Gap {
    pub(super) fn new(pieces: Vec<Option<char>>) -> Gap {
        match pieces.iter().copied().collect::<Option<String>>() {
            Some(text) => Gap::Literal { text, chars: pieces.len() },
            None => Gap::Masked { masks: Box::new(Masks::new(&pieces)), pieces },
        }
    }

    /// The text, when there is no `_`.
    pub(super) fn literal(&self) -> Option<&str> {
        match self {
            Gap::Literal { text, .. } => Some(text),
            Gap::Masked { .. } => None,
        }
    }

    /// Number of characters.
    pub(super) fn chars(&self) -> usize {
        match self {
            Gap::Literal { chars, .. } => *chars,
            Gap::Masked { pieces, .. } => pieces.len(),
        }
    }

    /// Where the gap ends when it stands at the front of the text.
    pub(super) fn at_front(&self, text: &str) -> Option<usize> {
        match self {
            Gap::Literal { text: literal, .. } => text.starts_with(literal).then_some(literal.len()),
            Gap::Masked { pieces, .. } => {
                let mut chars = text.chars();
                let fits = |piece: &Option<char>| {
                    chars.next().is_some_and(|c| piece.is_none_or(|wanted| wanted == c))
                };
                pieces.iter().all(fits).then(|| text.len() - chars.as_str().len())
            }
        }
    }

    /// Where the gap begins when it stands at the end of the text.
    pub(super) fn at_end(&self, text: &str) -> Option<usize> {
        match self {
            Gap::Literal { text: literal, .. } => text.strip_suffix(literal.as_str()).map(str::len),
            Gap::Masked { pieces, .. } => {
                let mut chars = text.chars();
                let fits = |piece: &Option<char>| {
                    chars.next_back().is_some_and(|c| piece.is_none_or(|wanted| wanted == c))
                };
                pieces.iter().rev().all(fits).then_some(chars.as_str().len())
            }
        }
    }

    /// Where the leftmost occurrence ends. Gaps with `_` are at most 64 characters long here.
    pub(super) fn find(&self, text: &str) -> Option<usize> {
        match self {
            Gap::Literal { text: literal, .. } => text.find(literal.as_str()).map(|at| at + literal.len()),
            Gap::Masked { pieces, masks } => {
                let last = 1u64 << (pieces.len() - 1).min(63);
                let mut state = 0u64;
                for (at, c) in text.char_indices() {
                    state = (state << 1 | 1) & masks.of(c);
                    if state & last != 0 {
                        return Some(at + c.len_utf8());
                    }
                }
                None
            }
        }
    }
}

impl Masks {
    fn new(pieces: &[Option<char>]) -> Masks {
        let bits = |accepts: &dyn Fn(&Option<char>) -> bool| {
            pieces
                .iter()
                .take(64)
                .enumerate()
                .fold(0u64, |mask, (i, piece)| mask | u64::from(accepts(piece)) << i)
        };
        let any = bits(&|piece| piece.is_none());
        let mut masks = Masks { ascii: [any; 128], others: Vec::new(), any };
        for c in pieces.iter().take(64).flatten() {
            let mask = bits(&|piece| piece.is_none_or(|wanted| wanted == *c));
            match masks.ascii.get_mut(*c as usize) {
                Some(slot) => *slot = mask,
                None if masks.others.iter().all(|(other, _)| other != c) => masks.others.push((*c, mask)),
                None => {}
            }
        }
        masks
    }

    fn of(&self, c: char) -> u64 {
        match self.ascii.get(c as usize) {
            Some(mask) => *mask,
            None => self.others.iter().find(|(other, _)| *other == c).map_or(self.any, |(_, mask)| *mask),
        }
    }
}
