"""What can be seen to be wrong: each module looks at one side of an account, and names what is wrong there now."""
