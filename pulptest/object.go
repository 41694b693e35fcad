package pulptest

// An Object is a JSON object. What is missing or of another type reads as zero.
type Object map[string]any

// Href is where the object is.
func (o Object) Href() string { return o.Text("pulp_href") }

// Text is a field that is text.
func (o Object) Text(field string) string {
	s, _ := o[field].(string)
	return s
}

// Number is a field that is a number.
func (o Object) Number(field string) int {
	n, _ := o[field].(float64)
	return int(n)
}

// Texts is a field that is a list of texts.
func (o Object) Texts(field string) []string {
	list, _ := o[field].([]any)
	out := make([]string, 0, len(list))
	for _, x := range list {
		if s, ok := x.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// Object is a field that is an object; fields lead deeper one by one.
func (o Object) Object(fields ...string) Object {
	for _, field := range fields {
		next, _ := o[field].(map[string]any)
		o = next
	}
	return o
}

// Objects is a field that is a list of objects.
func (o Object) Objects(field string) []Object {
	list, _ := o[field].([]any)
	out := make([]Object, 0, len(list))
	for _, x := range list {
		if m, ok := x.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}
