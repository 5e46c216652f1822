package main

import "sync"

// gate stops workers between two pieces of work. The zero value is open.
type gate struct {
	mu   sync.Mutex
	shut chan struct{} // closed while the gate is shut
	open chan struct{} // closed while the gate is open
}

func (g *gate) init() {
	if g.shut == nil {
		g.shut, g.open = make(chan struct{}), make(chan struct{})
		close(g.open)
	}
}

// set shuts or opens the gate.
func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.init()
	select {
	case <-g.shut:
		if !shut {
			g.shut = make(chan struct{})
			close(g.open)
		}
	default:
		if shut {
			g.open = make(chan struct{})
			close(g.shut)
		}
	}
}

// closed is done once the gate shuts.
func (g *gate) closed() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.init()
	return g.shut
}

// wait returns true once the gate is open, or false once quit is.
func (g *gate) wait(quit <-chan struct{}) bool {
	g.mu.Lock()
	g.init()
	open := g.open
	g.mu.Unlock()
	select {
	case <-quit:
		return false
	case <-open:
		return true
	}
}
