// Package compose is empty. Its module pins the version of Docker Compose that package servers
// builds. go.mod lists it as a tool, because Go can't import a main package.
package compose
