"""What the demo tells, and how much of it held."""


class Story:
    """Prints the steps and counts what did not hold."""

    def __init__(self):
        self.step_number, self.passed, self.failed = 0, 0, 0

    def step(self, title):
        """A new step."""
        self.step_number += 1
        print(f"\n[{self.step_number}] {title}", flush=True)

    def tell(self, text):
        """Something to know."""
        print(f"    {text}", flush=True)

    def check(self, held, text):
        """Something that has to hold."""
        self.passed += bool(held)
        self.failed += not held
        print(f"    {'ok  ' if held else 'FAIL'}  {text}", flush=True)
