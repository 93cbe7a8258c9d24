"""What a user did wrong or has to know, as one line: got, allowed, remedy."""


class UserError(ValueError):
    """A problem a person can mend. Command lines print it as one line and end with `exit_code`."""

    exit_code = 2
