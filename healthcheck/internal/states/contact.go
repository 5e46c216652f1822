package states

// A Contact says whether this instance can reach its peers. It is known before an outage.
type Contact int32

// The contacts.
const (
	NoContact Contact = iota // no peer was asked, because there is no other address
	Reached                  // a peer has answered
	Foreign                  // the answer is not a peer's: the path is wrong, or the port speaks TLS or gRPC
	Refused                  // there is no process at the port
	Silent                   // nobody answers
)

// Contacts are all of them.
var Contacts = [...]Contact{NoContact, Reached, Foreign, Refused, Silent}

func (c Contact) String() string {
	return [...]string{"unknown", "reached", "foreign", "refused", "silent"}[c]
}
