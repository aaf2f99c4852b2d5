/*!
`builtin:compress`: an adaptive sequence model without any pretraining. It shows how much of a model's curve comes from
compressing the prompt alone.

**The model** is context-tree weighting (Willems, Shtarkov and Tjalkens, IEEE Trans. Inf. Theory 41, 1995) over the
prompt's own symbols. The distribution of the next symbol may depend on the last 0, 1, ..., D symbols. How many of them
matter is unknown and may differ between contexts. Each possible choice is a tree of contexts. Each leaf of a tree has
its own distribution of symbols, estimated by Krichevsky and Trofimov's rule

```text
p(s) = (m + 1/2) / (n + A/2)
```

where n symbols were seen in that leaf so far, m of them were s, and there are A different symbols. The model is the
mixture of all trees of depth at most D. A tree with c nodes above depth D has weight 2^-c.

- The symbols are those that the prompt's columns name (zero, one, the separator, the literal characters of template and
  prefix), and every other character of the prompt.
- D is 2 bits + 1. In the paper's format this is the number of symbols from one answer to the next, so a context reaches
  back over the query to the same place in the previous example.
- The model sees only the last symbols, not the position within an example. If a template separates inputs from outputs,
  the model learns outputs that never change. In the papers' format nothing marks the border, so it hardly learns them.
- Places before the start of the prompt count as one extra symbol that never occurs in the text. So contexts at the
  start differ from all others.
- The model reads the prompt from its first symbol and learns as it reads. It reads a nested prompt once.
- Decoding is greedy, with as many symbols as there are bits; the model learns each symbol before the next. A draw from
  the seed and the trial breaks ties. An answer with a symbol that is not a bit, such as the separator, is malformed.
- `answer_logprob` is the exact sum of ln p(target symbol | prompt, target before it), normalised over all A symbols.
  `margin` is the smallest ln-ratio of the best two symbols along the answer.
*/

use super::builtin::ties;
use super::stream::{Jobs, one_by_one};
use super::{Answer, Point, Predictor};
use crate::chance::Below;
use crate::encoding::Template;
use crate::error::{Error, Result};
use crate::record::Prompt;

/// Context-tree weighting as a predictor.
pub struct Compress {
    /// The seed of the draws that break ties.
    pub seed: i64,
}

/// The index of a child that does not exist yet.
const ABSENT: u32 = u32::MAX;

/// The mixture over all context trees, and the symbols it has read.
#[derive(Debug, Clone)]
struct ContextTree {
    /// Number of symbols, A.
    symbols: usize,
    /// Length of the longest context, D.
    depth: usize,
    /// The symbols read so far, as numbers below `symbols`.
    history: Vec<usize>,
    /// For each node, how often each symbol was seen there; shape (nodes, A).
    counts: Vec<u32>,
    /// For each node, the child for each symbol before the context and for the start of the text; shape (nodes, A + 1).
    children: Vec<u32>,
    /// For each node, ln of the posterior odds that it is a leaf and not a branching.
    leaf_odds: Vec<f64>,
}

impl ContextTree {
    fn new(symbols: usize, depth: usize) -> Self {
        let mut tree = Self {
            symbols,
            depth,
            history: Vec::new(),
            counts: Vec::new(),
            children: Vec::new(),
            leaf_odds: Vec::new(),
        };
        tree.add_node();
        tree
    }

    fn add_node(&mut self) -> usize {
        let node = self.leaf_odds.len();
        self.counts.resize((node + 1) * self.symbols, 0);
        self.children
            .resize((node + 1) * (self.symbols + 1), ABSENT);
        self.leaf_odds.push(0.0);
        node
    }

    /// The position in `children` of the child that extends the context of `node`, which has `length` symbols.
    fn link(&self, node: usize, length: usize) -> usize {
        let before = self.history.len().checked_sub(length + 1);
        let symbol = before.map_or(self.symbols, |at| self.history[at]);
        node * (self.symbols + 1) + symbol
    }

    /// The nodes of the current context that exist, from the empty context to the longest.
    fn path(&self) -> Vec<usize> {
        let mut path = vec![0];
        for length in 0..self.depth {
            let child = self.children[self.link(path[length], length)];
            if child == ABSENT {
                break;
            }
            path.push(child as usize);
        }
        path
    }

    /// Krichevsky and Trofimov's estimate of p(symbol) in a node.
    fn estimate(&self, node: usize, symbol: usize) -> f64 {
        let counts = &self.counts[node * self.symbols..(node + 1) * self.symbols];
        let total: u32 = counts.iter().sum();
        // There are few symbols.
        #[allow(clippy::cast_precision_loss)]
        let half_symbols = self.symbols as f64 / 2.0;
        (f64::from(counts[symbol]) + 0.5) / (f64::from(total) + half_symbols)
    }

    /// For each symbol, the probability that it comes next.
    fn probabilities(&self) -> Vec<f64> {
        let path = self.path();
        let symbols = 0..self.symbols;
        symbols.map(|symbol| self.mixed(&path, symbol)[0]).collect()
    }

    /// The probability of a symbol in the subtree of each node of the path. A node mixes its own estimate (for the case
    /// that it is a leaf) with that of its child.
    fn mixed(&self, path: &[usize], symbol: usize) -> Vec<f64> {
        // A context without counts gives every symbol the same probability.
        #[allow(clippy::cast_precision_loss)]
        let mut below = 1.0 / self.symbols as f64;
        let mut mixed = vec![0.0; path.len()];
        for (length, &node) in path.iter().enumerate().rev() {
            let own = self.estimate(node, symbol);
            below = if length == self.depth {
                own
            } else {
                let leaf = 1.0 / (1.0 + (-self.leaf_odds[node]).exp());
                leaf * own + (1.0 - leaf) * below
            };
            mixed[length] = below;
        }
        mixed
    }

    /// Reads a symbol and learns from it.
    fn read(&mut self, symbol: usize) {
        let mut path = self.path();
        while path.len() <= self.depth {
            let length = path.len() - 1;
            let link = self.link(path[length], length);
            let child = self.add_node();
            // There are at most prompt length times depth nodes, far fewer than 2^32.
            self.children[link] = u32::try_from(child).unwrap_or(ABSENT);
            path.push(child);
        }
        let mixed = self.mixed(&path, symbol);
        for (&node, below) in path.iter().zip(&mixed[1..]) {
            self.leaf_odds[node] += (self.estimate(node, symbol) / below).ln();
        }
        for node in path {
            self.counts[node * self.symbols + symbol] += 1;
        }
        self.history.push(symbol);
    }
}

/// The symbols that a prompt can hold, each once.
fn vocabulary<'a>(prompt: &'a Prompt, template: &'a Template) -> Vec<&'a str> {
    let symbols = prompt.symbols();
    let texts = template
        .literals()
        .chain([&*prompt.prefix, &*prompt.prompt])
        .flat_map(|text| symbols.split(text));
    let mut all = vec![symbols.zero, symbols.one];
    for symbol in symbols.separator.into_iter().chain(texts) {
        if !all.contains(&symbol) {
            all.push(symbol);
        }
    }
    all
}

impl Predictor for Compress {
    fn answer_all(&mut self, jobs: &mut Jobs<'_>) -> Result<()> {
        one_by_one(jobs, |prompt, points| self.answer(prompt, points))
    }
}

impl Compress {
    fn answer(&self, prompt: &Prompt, points: &[Point<'_>]) -> Result<Vec<Answer>> {
        let template = Template::parse(&prompt.template)
            .map_err(|e| Error::data(format!("column \"template\": {e}")))?;
        let symbols = prompt.symbols();
        let vocabulary = vocabulary(prompt, &template);
        let number = |symbol: &str| vocabulary.iter().position(|&s| s == symbol);
        let text: Vec<usize> = symbols.split(&prompt.prompt).filter_map(number).collect();
        let depth = 2 * prompt.trial.bits as usize + 1;
        let mut tree = ContextTree::new(vocabulary.len(), depth);
        points
            .iter()
            .map(|point| {
                let new = text.get(tree.history.len()..point.start);
                for &symbol in new.unwrap_or_default() {
                    tree.read(symbol);
                }
                let mut ties = ties(self.seed, &prompt.trial, point);
                let target: Vec<usize> = symbols.split(&point.answer).filter_map(number).collect();
                let (answer, margin) = greedy(tree.clone(), target.len(), &mut ties);
                Ok(Answer {
                    output: symbols.output(answer.into_iter().map(|i| vocabulary[i])),
                    logprob: Some(log_probability(tree.clone(), &target)),
                    margin: Some(margin),
                    ..Answer::default()
                })
            })
            .collect()
    }
}

/// Greedy decoding: the most probable symbols, where the tree reads each before it chooses the next, and the smallest
/// ln-ratio of the best two.
fn greedy(mut tree: ContextTree, length: usize, ties: &mut impl Below) -> (Vec<usize>, f64) {
    let mut answer = Vec::with_capacity(length);
    let mut margin = f64::INFINITY;
    for _ in 0..length {
        let p = tree.probabilities();
        let best = p.iter().copied().fold(0.0, f64::max);
        // Symbols with equal counts in all contexts have exactly equal probabilities.
        let candidates: Vec<usize> = (0..p.len()).filter(|&i| p[i] >= best).collect();
        // There are few candidates.
        let n = u32::try_from(candidates.len()).unwrap_or(u32::MAX);
        let chosen = candidates[ties.below(n) as usize];
        let others = p.iter().enumerate().filter(|(i, _)| *i != chosen);
        let second = others.map(|(_, p)| *p).fold(0.0, f64::max);
        margin = margin.min((best / second).ln());
        answer.push(chosen);
        tree.read(chosen);
    }
    (answer, margin)
}

/// ln of the probability that these symbols come next.
fn log_probability(mut tree: ContextTree, symbols: &[usize]) -> f64 {
    symbols
        .iter()
        .map(|&symbol| {
            let p = tree.probabilities()[symbol];
            tree.read(symbol);
            p.ln()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A set of contexts: a leaf, or a branching by the symbol before.
    #[derive(Clone)]
    enum Tree {
        Leaf,
        Branching(Vec<Tree>),
    }

    /// All trees of at most this depth in which every branching has this many branches.
    fn all_trees(depth: usize, branches: usize) -> Vec<Tree> {
        if depth == 0 {
            return vec![Tree::Leaf];
        }
        let below = all_trees(depth - 1, branches);
        let mut rows: Vec<Vec<Tree>> = vec![Vec::new()];
        for _ in 0..branches {
            rows = rows
                .iter()
                .flat_map(|row| {
                    below.iter().map(|tree| {
                        let mut row = row.clone();
                        row.push(tree.clone());
                        row
                    })
                })
                .collect();
        }
        let mut trees = vec![Tree::Leaf];
        trees.extend(rows.into_iter().map(Tree::Branching));
        trees
    }

    impl Tree {
        /// Number of nodes above the maximal depth.
        fn cost(&self, depth: usize) -> i32 {
            if depth == 0 {
                return 0;
            }
            match self {
                Self::Leaf => 1,
                Self::Branching(below) => 1 + below.iter().map(|t| t.cost(depth - 1)).sum::<i32>(),
            }
        }

        /// The path to the leaf that predicts the symbol at a place in the text.
        fn leaf(&self, text: &[usize], at: usize, symbols: usize) -> Vec<usize> {
            let mut path = Vec::new();
            let mut tree = self;
            while let Self::Branching(below) = tree {
                let before = at.checked_sub(path.len() + 1);
                let branch = before.map_or(symbols, |i| text[i]);
                path.push(branch);
                tree = &below[branch];
            }
            path
        }

        /// The probability of the text, if every leaf estimates from its own counts.
        fn probability(&self, text: &[usize], symbols: usize) -> f64 {
            let mut seen: Vec<(Vec<usize>, usize)> = Vec::new();
            let mut probability = 1.0;
            for (at, &symbol) in text.iter().enumerate() {
                let leaf = self.leaf(text, at, symbols);
                let count = |f: &dyn Fn(usize) -> bool| {
                    let found = seen.iter().filter(|(l, s)| *l == leaf && f(*s)).count();
                    f64::from(u32::try_from(found).unwrap())
                };
                let (own, all) = (count(&|s| s == symbol), count(&|_| true));
                probability *=
                    (own + 0.5) / (all + f64::from(u32::try_from(symbols).unwrap()) / 2.0);
                seen.push((leaf, symbol));
            }
            probability
        }
    }

    fn assert_mixture(text: &[usize], symbols: usize, depth: usize) {
        let mixture: f64 = all_trees(depth, symbols + 1)
            .iter()
            .map(|tree| 0.5f64.powi(tree.cost(depth)) * tree.probability(text, symbols))
            .sum();
        let found = log_probability(ContextTree::new(symbols, depth), text);
        assert!(
            (found - mixture.ln()).abs() < 1e-12,
            "{text:?}: {found} {}",
            mixture.ln()
        );
    }

    proptest! {
        /// Compares with the sum over all 730 trees of depth at most 3 over two symbols and the start of the text.
        #[test]
        fn two_symbols_are_the_mixture_of_all_trees(text in prop::collection::vec(0usize..2, 0..12)) {
            assert_mixture(&text, 2, 3);
        }

        /// Compares with the sum over all 17 trees of depth at most 2 over three symbols and the start of the text.
        #[test]
        fn three_symbols_are_the_mixture_of_all_trees(text in prop::collection::vec(0usize..3, 0..12)) {
            assert_mixture(&text, 3, 2);
        }

        #[test]
        fn probabilities_sum_to_one(text in prop::collection::vec(0usize..3, 0..60)) {
            let mut tree = ContextTree::new(3, 5);
            for symbol in text {
                let p = tree.probabilities();
                prop_assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{p:?}");
                tree.read(symbol);
            }
        }
    }

    /// A tree of depth 1 after one symbol, computed by hand.
    #[test]
    fn by_hand() {
        let mut tree = ContextTree::new(2, 1);
        assert_eq!(tree.probabilities(), [0.5, 0.5]);
        tree.read(1);
        // Root: (0 + 1/2) / (1 + 1). The context 1 has no counts: 1/2. Both trees gave the first symbol 1/2.
        let p = tree.probabilities();
        assert!((p[0] - (0.5 * 0.25 + 0.5 * 0.5)).abs() < 1e-15, "{p:?}");
    }
}
