//! What can be made to go wrong, command by command.

use std::fmt;
use std::time::Duration;

use crate::iso::Command;

/// What happens to a command.
#[derive(Clone, Debug)]
pub enum Effect {
    /// The card takes this long before it begins.
    Delay(Duration),
    /// The card does nothing and answers this status word.
    Status(u16),
    /// The card never answers; it can still be pulled, in the middle of its work.
    Silence,
    /// The card loses its state, as in a reset that nobody tells of, and then looks at the command.
    Restart,
    /// Another program's command comes first (a whole APDU); its answer is nobody's.
    Before(Vec<u8>),
}

/// One thing that goes wrong.
pub struct Fault {
    wanted: Box<dyn Fn(&Command) -> bool + Send>,
    pub(crate) effect: Effect,
    /// How often it still happens; `None`: always.
    left: Option<u32>,
}

impl Fault {
    /// `effect` for each command with this instruction.
    pub fn always(instruction: u8, effect: Effect) -> Self {
        Self::when(move |command| command.instruction == instruction, effect, None)
    }

    /// `effect` for the next command with this instruction.
    pub fn once(instruction: u8, effect: Effect) -> Self {
        Self::when(move |command| command.instruction == instruction, effect, Some(1))
    }

    /// `effect` for the next `times` commands (`None`: for each) that `wanted` wants.
    pub fn when(
        wanted: impl Fn(&Command) -> bool + Send + 'static,
        effect: Effect,
        times: Option<u32>,
    ) -> Self {
        Self { wanted: Box::new(wanted), effect, left: times }
    }

    /// The card knows no VERIFY with P1 = FF (before SP 800-73-4).
    pub fn no_deverify() -> Self {
        Self::when(|command| (command.instruction, command.p1) == (0x20, 0xff), Effect::Status(0x6a86), None)
    }

    /// Whether it happens to `command`; it then counts as having happened.
    pub(crate) fn strikes(&mut self, command: &Command) -> bool {
        let strikes = self.left != Some(0) && (self.wanted)(command);
        if strikes && let Some(left) = &mut self.left {
            *left -= 1;
        }
        strikes
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("effect", &self.effect)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
