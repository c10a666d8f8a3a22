"""Above the house: screens of ours inside other people's back offices. Each is used only by a project that names it."""
