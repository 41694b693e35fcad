package pulp

// ValuesSQL is the query of [ContentType.Values].
func (t *ContentType[D]) ValuesSQL(a *App, name string) (string, error) { return t.valuesOf(a, name) }

// InSQL is the query of [ContentType.In].
func (t *ContentType[D]) InSQL(a *App, v *Version, name, value string) (string, error) {
	where, err := t.heldBy(a, v, name, value)
	if err != nil {
		return "", err
	}
	return where(a.db.Reader().NewSelect().Model((*Content[D])(nil))).String(), nil
}
