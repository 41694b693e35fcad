package main_test

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// A pool knows the objects that answers have told of, also some that are gone by now.
type pool struct {
	doc   *apiDocument
	mu    sync.Mutex
	hrefs map[string][]string // by the template of their path
	prns  map[string]string   // by href
	names map[string][]string // by the template of their path
	tasks []string
}

// How many objects of a template are remembered, few enough that requests meet again, and how
// many names, so that all roles are among them.
const pooled, named = 25, 150

func newPool(doc *apiDocument) *pool {
	return &pool{doc: doc, hrefs: map[string][]string{}, prns: map[string]string{}, names: map[string][]string{}}
}

// learn remembers each object in a decoded answer.
func (p *pool) learn(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range slices.Backward(v) { // the youngest last
			p.learn(e)
		}
	case map[string]any:
		if href, ok := v["pulp_href"].(string); ok {
			p.add(href, v)
		}
		if task, ok := v["task"].(string); ok && len(v) == 1 {
			p.add(task, v)
			p.mu.Lock()
			p.tasks = append(p.tasks, task)
			p.mu.Unlock()
		}
		for _, e := range v {
			p.learn(e)
		}
	}
}

func (p *pool) add(href string, object map[string]any) {
	template := p.doc.template(href)
	p.mu.Lock()
	defer p.mu.Unlock()
	if prn, ok := object["prn"].(string); ok {
		p.prns[href] = prn
	}
	p.hrefs[template] = remembered(p.hrefs[template], href, pooled)
	for _, key := range []string{"name", "username"} {
		if name, ok := object[key].(string); ok {
			p.names[template] = remembered(p.names[template], name, named)
		}
	}
}

// forget forgets the objects that a path leads to, or below.
func (p *pool) forget(path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for template, all := range p.hrefs {
		p.hrefs[template] = slices.DeleteFunc(all, func(href string) bool { return strings.HasPrefix(path, href) })
	}
}

func remembered(all []string, s string, most int) []string {
	if slices.Contains(all, s) {
		return all
	}
	all = append(all, s)
	return all[max(0, len(all)-most):]
}

// href picks an object whose template has a part; empty for none.
func (p *pool) href(r *rand.Rand, part string) string { return p.one(r, p.hrefs, part) }

// name picks the name of an object whose template has a part; empty for none.
func (p *pool) name(r *rand.Rand, part string) string { return p.one(r, p.names, part) }

func (p *pool) one(r *rand.Rand, from map[string][]string, part string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for template, some := range from {
		if strings.Contains(template, part) {
			all = append(all, some...)
		}
	}
	if len(all) == 0 {
		return ""
	}
	slices.Sort(all) // the same for the same seed
	return pick(r, all...)
}

// of picks an object of exactly this template; empty for none.
func (p *pool) of(r *rand.Rand, template string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.hrefs[template]) == 0 {
		return ""
	}
	all := p.hrefs[template]
	if r.IntN(2) == 0 {
		all = all[max(0, len(all)-8):] // the youngest are there most likely
	}
	return pick(r, all...)
}

// role picks the name of a role, often of one for the objects of a path.
func (p *pool) role(r *rand.Rand, path string) string {
	words := strings.Split(strings.NewReplacer("/pulp/api/v3/", "", "-", "", "_", "").Replace(path), "/")
	stem := words[0][:min(8, len(words[0])-1)] // which is in the names of most models of a collection
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.names["/pulp/api/v3/roles/{pk}/"]
	fit := slices.DeleteFunc(slices.Clone(all), func(name string) bool {
		if len(words) > 4 && words[0] == "contentguards" {
			return !strings.Contains(name, words[2])
		}
		return !strings.Contains(name, stem)
	})
	if strings.HasSuffix(path, "/remove_role/") { // what those who make objects have
		all = slices.DeleteFunc(slices.Clone(fit), func(name string) bool { return !strings.HasSuffix(name, "_owner") })
	}
	switch {
	case len(fit) > 0 && r.IntN(2) > 0:
		return pick(r, fit...)
	case len(all) > 0:
		return pick(r, all...)
	}
	return ""
}

// prn is the name of an object, or its href if none is known.
func (p *pool) prn(href string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if prn := p.prns[href]; prn != "" {
		return prn
	}
	return href
}

// kinds says which objects a field or a parameter names: the first whose word is in its name.
var kinds = []struct{ word, part string }{
	{"version", "/versions/{number}/"}, {"keeplist", "/versions/{number}/"}, {"repo", "/repositories/"}, {"remote", "/remotes/"},
	{"publication", "/publications/"}, {"publisher", "/publishers/"}, {"guard", "/contentguards/"}, {"artifact", "/artifacts/"},
	{"upload", "/uploads/"}, {"content_object", "/"}, {"for_object_type", "/"}, {"content", "/content/"}, {"task", "/tasks/"},
	{"worker", "/workers/"}, {"resources", "/"}, {"prn", "/"}, {"href", "/"}, {"pulp_id", "/"}, {"domain", "/"},
}

// reference is the part of the templates of objects that a name is about; empty for none.
func reference(name string) string {
	for _, k := range kinds {
		if strings.Contains(name, k.word) {
			return k.part
		}
	}
	return ""
}

var lastSegment = regexp.MustCompile(`([^/]+)/?$`)

// path fills in a template so that it leads to an object, if there is one.
func (p *pool) path(r *rand.Rand, template string) string {
	path := template
	for end := len(template); end > 0; end = strings.LastIndexByte(template[:end-1], '}') + 1 {
		prefix := template[:end]
		if strings.HasSuffix(prefix, "}") {
			prefix += "/"
		}
		if href := p.of(r, prefix); href != "" {
			path = href + template[len(prefix):]
			break
		}
	}
	return templateVariable.ReplaceAllStringFunc(path, func(variable string) string {
		switch {
		case variable == "{number}":
			return pick(r, "0", "1", "2")
		case strings.Contains(template, "/users/{"):
			return pick(r, "1", "2", "3", "4")
		}
		return p.pk(r)
	})
}

// pk picks the key of any object.
func (p *pool) pk(r *rand.Rand) string {
	if found := lastSegment.FindStringSubmatch(p.href(r, "/")); found != nil {
		return found[1]
	}
	return "1"
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }
