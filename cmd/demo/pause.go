package main

import "sync"

// pause stops goroutines while it is on. The zero value is off.
type pause struct {
	mu  sync.Mutex
	on  chan struct{} // closed while the pause is on
	off chan struct{} // closed while the pause is off
}

func (p *pause) init() {
	if p.on == nil {
		p.on, p.off = make(chan struct{}), make(chan struct{})
		close(p.off)
	}
}

// set turns the pause on or off.
func (p *pause) set(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.init()
	select {
	case <-p.on:
		if !on {
			p.on = make(chan struct{})
			close(p.off)
		}
	default:
		if on {
			p.off = make(chan struct{})
			close(p.on)
		}
	}
}

// paused is closed while the pause is on.
func (p *pause) paused() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.init()
	return p.on
}

// wait returns true when the pause is off, or false when quit is closed.
func (p *pause) wait(quit <-chan struct{}) bool {
	p.mu.Lock()
	p.init()
	off := p.off
	p.mu.Unlock()
	select {
	case <-quit:
		return false
	case <-off:
		return true
	}
}
