"""What a run looks like afterwards: one offline HTML file, and the search graph for other tools."""
