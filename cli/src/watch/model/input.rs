//! A line of text that is being typed, and the fields of a form.

/// The most characters that a field takes: the longest reason of a resolution.
const MAX_CHARACTERS: usize = 900;

/// A change to the field that is being typed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    Insert(char),
    Backspace,
    Delete,
    Left,
    Right,
    Home,
    End,
    Clear,
}

/// A line of text with a cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    characters: Vec<char>,
    /// The place of the cursor, in characters.
    cursor: usize,
}

impl Input {
    pub fn new(text: &str) -> Self {
        let characters: Vec<char> = text.chars().collect();
        Self { cursor: characters.len(), characters }
    }

    pub fn text(&self) -> String {
        self.characters.iter().collect()
    }

    /// Returns the text before the cursor.
    pub fn before_cursor(&self) -> String {
        self.characters[..self.cursor].iter().collect()
    }

    fn edit(&mut self, edit: Edit) {
        let end = self.characters.len();
        match edit {
            Edit::Insert(c) if end < MAX_CHARACTERS => {
                self.characters.insert(self.cursor, c);
                self.cursor += 1;
            }
            Edit::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.characters.remove(self.cursor);
            }
            Edit::Delete if self.cursor < end => {
                self.characters.remove(self.cursor);
            }
            Edit::Left => self.cursor = self.cursor.saturating_sub(1),
            Edit::Right => self.cursor = (self.cursor + 1).min(end),
            Edit::Home => self.cursor = 0,
            Edit::End => self.cursor = end,
            Edit::Clear => *self = Self::default(),
            Edit::Insert(_) | Edit::Backspace | Edit::Delete => {}
        }
    }
}

/// A field of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub label: &'static str,
    pub value: Value,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(Input),
    /// One of these, chosen with the arrows.
    Choice {
        options: Vec<&'static str>,
        chosen: usize,
    },
}

/// Fields that are filled in one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    pub fields: Vec<Field>,
    /// The field that is being filled in.
    pub focus: usize,
    /// Why the form was not accepted.
    pub problem: Option<String>,
}

impl Form {
    pub fn new(fields: Vec<Field>) -> Self {
        Self { fields, focus: 0, problem: None }
    }

    /// Returns the text of a field; nothing for a choice.
    pub fn text(&self, field: usize) -> String {
        match self.fields.get(field).map(|field| &field.value) {
            Some(Value::Text(input)) => input.text().trim().to_owned(),
            _ => String::new(),
        }
    }

    /// Returns the place of the chosen option of a field.
    pub fn choice(&self, field: usize) -> usize {
        match self.fields.get(field).map(|field| &field.value) {
            Some(Value::Choice { chosen, .. }) => *chosen,
            _ => 0,
        }
    }

    pub fn is_at_last_field(&self) -> bool {
        self.focus + 1 >= self.fields.len()
    }

    pub fn next_field(&mut self) {
        self.focus = (self.focus + 1) % self.fields.len().max(1);
    }

    pub fn previous_field(&mut self) {
        let count = self.fields.len().max(1);
        self.focus = (self.focus + count - 1) % count;
    }

    pub fn edit(&mut self, edit: Edit) {
        self.problem = None;
        let Some(field) = self.fields.get_mut(self.focus) else { return };
        match &mut field.value {
            Value::Text(input) => input.edit(edit),
            Value::Choice { options, chosen } => {
                let count = options.len();
                match edit {
                    Edit::Right | Edit::Insert(' ') => *chosen = (*chosen + 1) % count,
                    Edit::Left | Edit::Backspace => *chosen = (*chosen + count - 1) % count,
                    Edit::Home | Edit::Clear => *chosen = 0,
                    Edit::End => *chosen = count.saturating_sub(1),
                    // The next option that begins with this letter.
                    Edit::Insert(letter) => {
                        let begins = |option: &&str| {
                            option.starts_with(|c: char| c.eq_ignore_ascii_case(&letter))
                        };
                        let places = (1..=count).map(|ahead| (*chosen + ahead) % count);
                        let mut places = places.filter(|place| begins(&options[*place]));
                        *chosen = places.next().unwrap_or(*chosen);
                    }
                    Edit::Delete => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_takes_characters_of_any_width_and_edits_at_its_cursor() {
        let mut input = Input::new("Zoë");
        for edit in [Edit::Left, Edit::Backspace, Edit::Insert('東'), Edit::End, Edit::Insert('!')]
        {
            input.edit(edit);
        }
        assert_eq!((input.text(), input.before_cursor()), ("Z東ë!".to_owned(), "Z東ë!".to_owned()));
        for edit in [Edit::Home, Edit::Backspace, Edit::Delete, Edit::Left] {
            input.edit(edit);
        }
        assert_eq!((input.text(), input.before_cursor()), ("東ë!".to_owned(), String::new()));
        (0..2000).for_each(|_| input.edit(Edit::Insert('x')));
        assert_eq!(input.text().chars().count(), MAX_CHARACTERS);
        input.edit(Edit::Clear);
        assert_eq!(input, Input::default());
    }

    #[test]
    fn a_choice_turns_with_the_arrows_and_goes_to_the_letter_that_is_typed() {
        let options = vec!["any", "open", "PENDING", "PARTIAL"];
        let mut form =
            Form::new(vec![Field { label: "status", value: Value::Choice { options, chosen: 0 } }]);
        for (edit, chosen) in [
            (Edit::Left, 3),
            (Edit::Right, 0),
            (Edit::Insert('p'), 2),
            (Edit::Insert('P'), 3),
            (Edit::Insert('z'), 3),
            (Edit::Clear, 0),
        ] {
            form.edit(edit);
            assert_eq!(form.choice(0), chosen, "{edit:?}");
        }
    }
}
