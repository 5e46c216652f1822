// Empty: with it Go accepts the functions without a body in link_test.go.
