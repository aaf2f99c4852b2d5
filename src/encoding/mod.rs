/*!
From trials to prompts. A trial and an alphabet come in. A prompt in the trial's own symbols goes out, with the encoded
target. The template is the form of one example.
*/

mod alphabet;
mod template;

pub use alphabet::Alphabet;
pub use template::Template;
use template::{Part, unescape};

use crate::chance::{Below, Purpose, TrialKeys};
use crate::error::{Error, Result};
use crate::program::{Bits, MAX_BITS};
use crate::record::{Design, Prompt, Trial};
use crate::symbols::Symbols;

/// Turns trials into prompts.
#[derive(Debug, Clone)]
pub struct Encoder {
    /// The symbols that trials draw from.
    pub alphabet: Alphabet,
    template: Template,
    template_text: String,
    prefix: String,
}

impl Encoder {
    /// An encoder. The alphabet has a default template and prefix.
    ///
    /// # Errors
    /// The template is invalid, or template or prefix would make an answer ambiguous.
    pub fn new(alphabet: Alphabet, template: Option<&str>, prefix: Option<&str>) -> Result<Self> {
        let template = Template::parse(template.unwrap_or(alphabet.template))?;
        template.check(&alphabet)?;
        let wrong = |what: String| {
            Error::usage(format!("--prefix {:?}: {what}", prefix.unwrap_or_default()))
        };
        let prefix = unescape(prefix.unwrap_or(alphabet.prefix)).map_err(wrong)?;
        if let Some(c) = prefix.chars().find(|&c| alphabet.is_within_a_word(c)) {
            return Err(Error::usage(format!(
                "--prefix {prefix:?}: {c:?} also occurs in a word of the alphabet, so prompts would be ambiguous"
            )));
        }
        Ok(Self {
            template_text: template.to_string(),
            prefix,
            alphabet,
            template,
        })
    }

    /// The trial as a prompt, which ends where the answer begins. It uses the trial's own symbols, or those that a
    /// replayed trial carries.
    ///
    /// # Errors
    /// The template has a separator, and the carried symbols have none.
    pub fn encode(&self, trial: Trial, carried: Option<Symbols<'_>>) -> Result<Prompt> {
        let symbols = carried.unwrap_or_else(|| draw(&self.alphabet, &self.template, &trial));
        if self.template.has_separator() && symbols.separator.is_none() {
            return Err(Error::data(
                "column \"separator\": is missing, but the template has {sep}",
            ));
        }
        let separator = symbols.separator.unwrap_or_default();
        let pieces = self.template.around.each_ref();
        let around = &pieces.map(|parts| Piece::new(parts, separator));
        let length = around.iter().map(|piece| piece.text.len()).sum::<usize>();
        // It grows for symbols of more than one byte.
        let per_example = 2 * trial.bits as usize + length;
        let mut text = Text::new(
            self.prefix.len() + per_example * (trial.inputs.len() + 1) + ROOM,
            symbols,
        );
        // A prompt is shorter than 2^32 symbols.
        let prefix = u32::try_from(self.prefix.chars().count()).unwrap_or(u32::MAX);
        text.push_str(&self.prefix, prefix);
        // Where the answers to all examples begin.
        let mut starts = Vec::with_capacity(trial.inputs.len() + 1);
        for (&input, &output) in trial.inputs.iter().zip(&trial.outputs) {
            text.push_example(around, input, output);
            starts.push(text.len - output.len() - around[2].symbols);
        }
        text.push_query(around, trial.query);
        starts.push(text.len);
        let points = trial.eval_shots.as_ref();
        let answer_starts = points.map(|all| all.iter().map(|&n| starts[n as usize]).collect());
        let mut answer = Text::new(ROOM, symbols);
        answer.push_bits(trial.target);
        Ok(Prompt {
            encoding: self.alphabet.name.clone(),
            template: self.template_text.clone(),
            prefix: self.prefix.clone(),
            zero: symbols.zero.to_string(),
            one: symbols.one.to_string(),
            separator: symbols.separator.map(String::from),
            prompt: text.finish(),
            answer: answer.finish(),
            answer_starts,
            trial,
        })
    }
}

/// Draws a trial's symbols. They depend only on seed, bits, function, shots and trial number.
fn draw<'a>(alphabet: &'a Alphabet, template: &Template, trial: &Trial) -> Symbols<'a> {
    let keys = TrialKeys::new(trial.seed, trial.bits, &trial.function);
    let shots = (trial.design == Design::Independent).then_some(trial.shots);
    let mut rng = keys.key(shots, trial.trial).stream(Purpose::Symbols);
    let mut left: Vec<&str> = alphabet.symbols.iter().map(String::as_str).collect();
    let mut draw = || {
        // `Template::check` made sure that there are enough, and no alphabet has 2^32.
        let n = u32::try_from(left.len()).unwrap_or(u32::MAX);
        left.swap_remove(rng.below(n) as usize)
    };
    Symbols {
        zero: draw(),
        one: draw(),
        // Drawn last, so that the bits' symbols are the same with and without a separator.
        separator: (template.has_separator()).then(|| alphabet.separator.unwrap_or_else(draw)),
    }
}

/// A text that is written many times.
#[derive(Debug, Clone)]
struct Piece {
    text: String,
    /// A short text in a fixed width, which is written at once and then counted with its own length.
    short: Option<[u8; SHORT]>,
    /// The length in symbols.
    symbols: u32,
}

const SHORT: usize = 8;

/// Room for an example of short pieces, each in its fixed width.
const ROOM: usize = 3 * SHORT + 2 * MAX_BITS as usize;

impl Piece {
    fn new(parts: &[Part], separator: &str) -> Self {
        let (mut text, mut symbols) = (String::new(), 0);
        for part in parts {
            let (added, count) = match part {
                Part::Separator => (separator, 1),
                Part::Literal(literal) => (literal.as_str(), literal.chars().count()),
            };
            text.push_str(added);
            symbols += count;
        }
        let mut short = [0; SHORT];
        let fits = short.get_mut(..text.len());
        let fits = fits.map(|room| room.copy_from_slice(text.as_bytes()));
        Self {
            short: fits.map(|()| short),
            // A template is a command-line argument.
            symbols: u32::try_from(symbols).unwrap_or(u32::MAX),
            text,
        }
    }
}

/// A prompt while it is written.
struct Text<'a> {
    /// UTF-8 up to `end`, then free room. A bitstring is written in its full width of 16 bytes and then counted with
    /// its own length. This takes two stores instead of a copy of variable length.
    bytes: Vec<u8>,
    end: usize,
    symbols: Symbols<'a>,
    /// The symbols of bits 0 and 1, if both are one byte.
    ascii: Option<(u8, u8)>,
    /// The length in symbols.
    len: u32,
}

impl<'a> Text<'a> {
    /// An empty text with room for `capacity` bytes.
    fn new(capacity: usize, symbols: Symbols<'a>) -> Self {
        let ascii = |symbol: &str| match *symbol.as_bytes() {
            [byte] => Some(byte),
            _ => None,
        };
        Self {
            bytes: vec![0; capacity],
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
            self.grow(wanted);
        }
        &mut self.bytes[self.end..wanted]
    }

    #[cold]
    fn grow(&mut self, wanted: usize) {
        self.bytes.resize(2 * wanted, 0);
    }

    /// One demonstration.
    #[inline]
    fn push_example(&mut self, around: &[Piece; 3], input: Bits, output: Bits) {
        let shorts = around.each_ref().map(|piece| piece.short);
        let (Some((zero, one)), [Some(before), Some(between), Some(after)]) = (self.ascii, shorts)
        else {
            self.push_query(around, input);
            self.push_bits(output);
            self.push(&around[2]);
            return;
        };
        // Room for the whole example at once.
        let room = self.room(ROOM);
        let mut at = 0;
        let mut put = |piece: &[u8], len: usize| {
            room[at..][..piece.len()].copy_from_slice(piece);
            at += len;
        };
        put(&before, around[0].text.len());
        put(&input.spell(zero, one), input.len() as usize);
        put(&between, around[1].text.len());
        put(&output.spell(zero, one), output.len() as usize);
        put(&after, around[2].text.len());
        self.end += at;
        self.len += around.iter().map(|piece| piece.symbols).sum::<u32>();
        self.len += input.len() + output.len();
    }

    /// An example up to its answer.
    fn push_query(&mut self, [before, between, _]: &[Piece; 3], input: Bits) {
        self.push(before);
        self.push_bits(input);
        self.push(between);
    }

    fn push(&mut self, piece: &Piece) {
        self.push_str(&piece.text, piece.symbols);
    }

    fn push_str(&mut self, text: &str, symbols: u32) {
        self.room(text.len()).copy_from_slice(text.as_bytes());
        self.end += text.len();
        self.len += symbols;
    }

    #[inline]
    fn push_bits(&mut self, bits: Bits) {
        let Some((zero, one)) = self.ascii else {
            for bit in bits.iter() {
                self.push_str(self.symbols.of(bit), 1);
            }
            return;
        };
        self.room(MAX_BITS as usize)
            .copy_from_slice(&bits.spell(zero, one));
        self.end += bits.len() as usize;
        self.len += bits.len();
    }

    fn finish(mut self) -> String {
        self.bytes.truncate(self.end);
        // Only complete characters were written.
        String::from_utf8(self.bytes).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Suite;
    use crate::record::Condition;
    use crate::trial::Grid;

    /// The prompt and the starts of its answers, built part by part from the template.
    fn spelt(encoder: &Encoder, trial: &Trial, symbols: Symbols<'_>) -> (String, Vec<u32>) {
        let mut text = encoder.prefix.clone();
        let mut starts = Vec::new();
        let examples = trial
            .inputs
            .iter()
            .zip(&trial.outputs)
            .map(|(x, y)| (*x, Some(*y)));
        for (x, y) in examples.chain([(trial.query, None)]) {
            let [before, between, after] = encoder.template.around.each_ref().map(|parts| {
                let written = parts.iter().map(|part| match part {
                    Part::Separator => symbols.separator.unwrap_or_default(),
                    Part::Literal(literal) => literal,
                });
                written.collect::<String>()
            });
            text += &[before, symbols.encode(x), between].concat();
            starts.push(u32::try_from(symbols.split(&text).count()).unwrap());
            let Some(y) = y else { break };
            text += &[symbols.encode(y), after].concat();
        }
        (text, starts)
    }

    /// Prompts of one encoder do not depend on each other.
    #[test]
    fn a_prompt_is_what_its_template_says_whatever_came_before() {
        let grid = |design, bits| Grid {
            suite: Suite::of(["meta_constant.rotl1", "reverse_bits"].map(String::from)).unwrap(),
            bits,
            shots: vec![5, 0, 30, 2],
            trials: 4,
            conditions: vec![Condition::Clean],
            design,
            seed: 1,
        };
        let grids = [
            (Design::Independent, 8),
            (Design::Nested, 5),
            (Design::Independent, 16),
        ];
        for (alphabet, template, prefix) in [
            ("genomic", None, None),
            ("integer", None, Some("a long prefix\n")),
            (
                "protein",
                Some("in {x}{sep} and out {y} with a long end\\n"),
                None,
            ),
            ("αβγ\u{1f600}z", Some("{x}→{y}{sep}"), Some("é")),
            (
                "words:AAC,ACA,TTG,AATGC",
                Some("{x}>{y}{sep}\\n"),
                Some("é\n"),
            ),
        ] {
            let alphabet = Alphabet::parse(alphabet).unwrap();
            let encoder = Encoder::new(alphabet, template, prefix).unwrap();
            for (design, bits) in grids {
                let grid = grid(design, bits);
                for trial in grid.trials(0..grid.total()) {
                    let fresh = encoder.encode(trial.clone(), None).unwrap();
                    let symbols = fresh.symbols();
                    let (text, starts) = spelt(&encoder, &trial, symbols);
                    assert_eq!(fresh.prompt, text);
                    assert_eq!(fresh.answer, symbols.encode(trial.target));
                    let read_at = trial.eval_shots.map(|points| {
                        points
                            .iter()
                            .map(|&n| starts[n as usize])
                            .collect::<Vec<_>>()
                    });
                    assert_eq!(fresh.answer_starts, read_at);
                }
            }
        }
    }
}
