package pulp

import (
	"strings"
	"unicode"
)

// prn is the label of a model in resource names: "acme.acmerepository", "shop.order".
func (v *view[M]) prn(owner Plugin) string {
	app := owner.Name
	if v.ViewSet.app != "" {
		app = v.ViewSet.app
	}
	if app == "" {
		app, _, _ = strings.Cut(v.Path, "/")
	}
	return app + "." + strings.ToLower(v.class)
}

// hrefParameter is the name that clients know for an object's href in the API's description.
func (v *view[M]) hrefParameter(owner Plugin) string {
	name := snake(v.class) + "_href"
	if owner.Name != "core" || v.ViewSet.app != "" {
		name, _, _ = strings.Cut(v.prn(owner), ".")
		name += "_" + snake(v.class) + "_href"
	}
	return name
}

func (v *view[M]) schemaName(owner Plugin) string {
	if owner.Name == "core" || v.parent != "" {
		return v.class
	}
	app, _, _ := strings.Cut(v.prn(owner), ".")
	return app + "." + v.class
}

func operationID(path string) string {
	path = strings.ReplaceAll(path, "{}/", "")
	return strings.NewReplacer("/", "_", "-", "_").Replace(path)
}

// tagOf groups operations: "Repositories: File", "Tasks".
func tagOf(path string) string {
	parts := strings.Split(path, "/")
	tag := title(parts[0])
	if len(parts) > 2 && parts[1] == "{}" {
		return tag + ": " + title(parts[2])
	}
	if len(parts) > 1 {
		tag += ": " + title(parts[1])
	}
	if strings.Contains(path, "{}") {
		tag += " " + title(parts[len(parts)-1])
	}
	return tag
}

func title(s string) string {
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == '_' || r == '-' })
	for i, p := range parts {
		parts[i] = strings.ToUpper(p[:1]) + p[1:]
	}
	return strings.Join(parts, " ")
}

// snake splits before each capital: "RBACGuard" → "r_b_a_c_guard".
func snake(s string) string { return strings.ReplaceAll(words(s), " ", "_") }

func words(s string) string {
	var b strings.Builder
	for i, r := range s {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}
