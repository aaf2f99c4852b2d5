/*!
Dresses bits in a modality's symbols, and reads an answer's symbols back as bits.
*/

mod alphabet;
mod template;

pub use alphabet::Alphabet;
pub use template::{Part, Template};

use crate::chance::{Below, Key, Purpose};
use crate::error::{Error, Result};
use crate::program::{Bits, MAX_BITS};
use crate::record::{Design, Prompt, Trial};

/// The symbols of one trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symbols {
    /// Bit 0.
    pub zero: char,
    /// Bit 1.
    pub one: char,
    /// Between examples, where the template has it.
    pub separator: Option<char>,
}

impl Symbols {
    fn of(self, bit: bool) -> char {
        if bit { self.one } else { self.zero }
    }
}

/// Turns trials into prompts.
#[derive(Debug, Clone)]
pub struct Encoder {
    alphabet: Alphabet,
    template: Template,
    template_text: String,
    prefix: String,
}

impl Encoder {
    /// An encoder; template and prefix default to the alphabet's own.
    ///
    /// # Errors
    /// A template that is none, or under which an answer would be ambiguous.
    pub fn new(alphabet: Alphabet, template: Option<&str>, prefix: Option<&str>) -> Result<Self> {
        let template = Template::parse(template.unwrap_or(alphabet.template()))?;
        template.check(&alphabet)?;
        Ok(Self {
            template_text: template.to_string(),
            prefix: prefix.unwrap_or(alphabet.prefix()).to_owned(),
            alphabet,
            template,
        })
    }

    /// The alphabet's name.
    #[must_use]
    pub fn alphabet(&self) -> &Alphabet {
        &self.alphabet
    }

    /// The trial's symbols: a function of its seed, bits, function, shots and number alone.
    #[must_use]
    pub fn draw_symbols(&self, trial: &Trial) -> Symbols {
        let shots = (trial.design == Design::Independent).then_some(trial.shots);
        let key = Key::trial(trial.seed, trial.bits, &trial.function, shots, trial.trial);
        let mut rng = key.stream(Purpose::Symbols);
        let mut left = self.alphabet.symbols().to_vec();
        let mut draw = || {
            // `Template::check` made sure that there are enough; alphabets are short.
            let n = u32::try_from(left.len()).unwrap_or(u32::MAX);
            left.swap_remove(rng.below(n) as usize)
        };
        // The separator last: the bits' symbols are the same with and without one.
        let (zero, one) = (draw(), draw());
        let separator = self
            .template
            .has_separator()
            .then(|| self.alphabet.separator().unwrap_or_else(draw));
        Symbols {
            zero,
            one,
            separator,
        }
    }

    /// The trial as a prompt that ends where the answer begins. `symbols` are drawn by
    /// [`draw_symbols`](Self::draw_symbols), or carried by a replayed trial.
    ///
    /// # Errors
    /// A template with a separator, and symbols without one.
    pub fn encode(&self, trial: Trial, symbols: Symbols) -> Result<Prompt> {
        if self.template.has_separator() && symbols.separator.is_none() {
            return Err(Error::data(
                "column \"separator\": is missing, but the template has {sep}",
            ));
        }
        let per_example = 2 * trial.bits as usize + 4;
        let mut text = Text::new(
            symbols,
            self.prefix.len() + per_example * (trial.inputs.len() + 1),
        );
        text.push_str(&self.prefix);
        let mut starts = trial.eval_shots.as_ref().map(|_| Vec::new());
        let points = trial.eval_shots.as_deref().unwrap_or_default();
        let examples = trial.inputs.iter().zip(&trial.outputs);
        for (shots, (&input, &output)) in (0u32..).zip(examples) {
            text.push_parts(self.template.before_answer(), input);
            if let Some(starts) = &mut starts
                && points.contains(&shots)
            {
                starts.push(text.len);
            }
            text.push_bits(output);
            text.push_parts(self.template.after_answer(), input);
        }
        text.push_parts(self.template.before_answer(), trial.query);
        if let Some(starts) = &mut starts
            && points.contains(&trial.shots)
        {
            starts.push(text.len);
        }
        let answer = encode_bits(trial.target, symbols);
        Ok(Prompt {
            trial,
            encoding: self.alphabet.name().to_owned(),
            template: self.template_text.clone(),
            prefix: self.prefix.clone(),
            zero: symbols.zero.to_string(),
            one: symbols.one.to_string(),
            separator: symbols.separator.map(String::from),
            prompt: text.finish(),
            answer,
            answer_starts: starts,
        })
    }
}

/// A prompt in the making.
struct Text {
    /// UTF-8 up to `end`, and room behind it: a bitstring is written at its full width, 16 bytes,
    /// and only counted at its length, which takes two stores instead of a copy of any length.
    bytes: Vec<u8>,
    end: usize,
    symbols: Symbols,
    /// Bits 0 and 1 where each is one byte.
    ascii: Option<(u8, u8)>,
    /// Length in symbols.
    len: u32,
}

impl Text {
    /// An empty prompt with room for about `capacity` bytes.
    fn new(symbols: Symbols, capacity: usize) -> Self {
        let ascii = |c: char| u8::try_from(c).ok().filter(u8::is_ascii);
        Self {
            bytes: vec![0; capacity + MAX_BITS as usize],
            end: 0,
            symbols,
            ascii: ascii(symbols.zero).zip(ascii(symbols.one)),
            len: 0,
        }
    }

    /// Room for `count` bytes at the end.
    #[inline]
    fn room(&mut self, count: usize) -> &mut [u8] {
        let wanted = self.end + count;
        if self.bytes.len() < wanted {
            self.bytes.resize(2 * wanted, 0);
        }
        &mut self.bytes[self.end..wanted]
    }

    #[inline]
    fn push(&mut self, c: char) {
        let room = self.room(char::MAX_LEN_UTF8);
        self.end += match u8::try_from(c) {
            Ok(byte) if byte.is_ascii() => {
                room[0] = byte;
                1
            }
            _ => c.encode_utf8(room).len(),
        };
        self.len += 1;
    }

    fn push_str(&mut self, text: &str) {
        text.chars().for_each(|c| self.push(c));
    }

    #[inline]
    fn push_bits(&mut self, bits: Bits) {
        let Some((zero, one)) = self.ascii else {
            bits.iter().for_each(|bit| self.push(self.symbols.of(bit)));
            return;
        };
        if let Some(room) = self.room(MAX_BITS as usize).first_chunk_mut() {
            self.end += bits.spell(zero, one, room).len();
            self.len += bits.len();
        }
    }

    fn finish(mut self) -> String {
        self.bytes.truncate(self.end);
        // Only whole characters were written.
        String::from_utf8(self.bytes).unwrap_or_default()
    }

    #[inline]
    fn push_parts(&mut self, parts: &[Part], input: Bits) {
        for part in parts {
            match part {
                Part::X => self.push_bits(input),
                Part::Separator => {
                    if let Some(separator) = self.symbols.separator {
                        self.push(separator);
                    }
                }
                Part::Literal(literal) => self.push_str(literal),
                // There is one {y}, and it is in neither half.
                Part::Y => {}
            }
        }
    }
}

/// Bits as symbols.
#[must_use]
pub fn encode_bits(bits: Bits, symbols: Symbols) -> String {
    bits.iter().map(|bit| symbols.of(bit)).collect()
}

/// The bits of an answer up to its first foreign symbol, at most `bits` of them: the inverse of
/// [`encode_bits`]. Fewer than `bits` is a malformed answer.
#[must_use]
pub fn decode_bits(output: &str, zero: char, one: char, bits: u32) -> Bits {
    output
        .chars()
        .take(bits as usize)
        .map_while(|c| match c {
            c if c == zero => Some(false),
            c if c == one => Some(true),
            _ => None,
        })
        .fold(Bits::default(), Bits::push)
}
