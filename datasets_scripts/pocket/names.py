"""The names of the pocket people: real first names of many cultures, made-up actors, and the held-out tenth.

None of the first names is a word that the pocket language uses (a test holds it), so a name in a text is
always a name. Looks and names are independent: nothing here says he or she.
"""

from __future__ import annotations

import random

NAMES: tuple[str, ...] = tuple(
    """
    Mara José Aaron Keiko Zoë Tariq Ingrid Bashir Paloma Søren Nadia Wanjiru Oleg Priya Çağla Tomas Leila Mateo
    Anouk Kwame Astrid Renée Hiro Fatima Giulia Björn Sanjay Amina Lukas Chloé Yusuf Elena Desmond Mei Aoife André
    Rohan Katya Samuel Ingeborg Zainab Łukasz Carmen Dmitri Noor Élodie Felix Harriet Akira Simone Omar Agnès Vikram
    Tatiana Emeka Sofia Jürgen Lakshmi Pedro Hannah Kofi Zsófia Miguel Nora Arjun Beatrix Hamza Dolores Ruben Márta
    Raúl Yuki Clara Ibrahim Frida Isaac Ayesha Gustav Linh Teresa Abel Sigrid Farid Monique Jakub Soraya Tobias
    Şebnem Diego Ewa Chidi Valentina Emil Nasrin Hugo Inés Rashid Greta Bao Lucía Adrian Farah Kenji Ophelia Marek
    Salma Jonas Tuğba Rafael Ifeoma Stefan Delphine Ali Margit Vincent Aaliyah Ramón Esther Jorge Suki Hassan
    Brigitte Levi Anjali Nikolai Jorunn Thierry Zofia Malik Cécile Oscar Parvati Goran Thandiwe Luis Eszter Idris
    Vera Minh Noémie Bruno Shirin Alasdair Yara Konrad Pilar Ivan Mélanie Naoki Roswitha Samir Gwendolyn Andrei
    Nomvula Julian Agnieszka Kamal Beata Øyvind Rania Edgar Siobhan Takumi Lorena Anton Deepika Yannick Halima Paolo
    Tereza Gérard Ama Cedric Svetlana Ravi Marisol Otto Jamila Henrik Xiomara Cyrus Åsa Leandro Padma Magnus Oksana
    Tendai Colette Bilal Rosalind Núria Sergei Winston Hana Ahmed Lourdes Klaus Aditi Enzo Mirela Jamal Fiona
    Dariusz Keira Stellan Ngozi Fabio Thérèse Imran Louisa Boris Chiara Ewan Sunita Ramiro Birgit Kaito Manuela
    Özlem Percy Adaeze Carlos Wilhelmina Tarek Joana Ludvig Meera Patrick Zuzana Ousmane Violeta Gareth Hélène Nabil
    Camila Viktor Shanti Alonso Gretchen Yousef Mirko Danuta Rajesh Estelle Cormac Ayumi Bernard Lerato Mustafa
    Sebastián Inga Theo Kavita Alvaro Nina Demba Ulrike Sandeep Marguerite Piotr Yasmin Alfonso Helga Kazuo Bianca
    Niamh Ermias Ottilie Joaquín Leonie Murat Chiamaka Gregor Lavanya Hussein Celeste Mikael Rocío Adebayo Sylvia
    Tomoko Dieter Rukmini Esteban Fleur Kasimir Abena Lars Shabnam Ferdinand Séverine Pavel Iman Giorgio Tamsin Sung
    Zeynep Alberto Katrin Ramesh Cosima Jelani Elspeth Hüseyin Viviana Arvid Nokuthula Simon Catarina Anwar Lotte
    Raymond Mina Gerardo Sabine Haruki Odette Vusi Małgorzata Neil Anika Ernesto Wiebke Karim Josephine Satoshi Elif
    Dominic Renata Kojo Thea Salvador Ylva Prakash Annika Fergus Layla Ján Cordelia Naveen Bettina Ariel Yusra
    Hamish Florencia Tadeusz Ebba Rodrigo Sunniva Habib Constance Milos Aroha Edmund Štěpán Imani Lorenzo Gudrun
    Shankar Adele Ronan Marwa Ignacio Petra Baraka Ludmila Cyril Kiri Nuno Henrietta Jamshid Solveig Evan Rosario
    Mehmet Françoise Darko Uma Walter Ximena Alistair Nkechi Baptiste Raisa Suresh Dagmar Elias Mahala Tuomas
    Guadalupe Kieran Zahra Osvaldo Mairéad Anselm Divya Roberto Eun Gideon Gosia Siegfried Ana Daniel Lucinda Khalid
    Verena Tavita Ilse Marcel Folasade Balázs Rhiannon Anand Olga Silvio Hinemoa Quentin Tove Jin Ezra Perpetua
    Stanislav Rinako Théodore Amara Leopold Saoirse Vinod Alicia Torsten Efua Massimo Kirsten Waleed Dorothea Ismael
    Priscilla Hjalmar Nandini Caspian Orla Benedikt Sakura Arturo Mwangi Judith Florian Adwoa Callum Ludivine Hakim
    Marta Kōji Vasily Tanvi Gonzalo Bronwyn Masato Leocadia Rufus Ayodele Kristof Nayeli Rupert Azadeh Finn Karolina
    Sipho Eleanor Maurizio Jyoti Ulrich Mahalia Pascal Inaya Zoltan Tallulah Dev Sverre Amélie
""".split()
)

# Every tenth name is never drawn for training films or prompts.
HELD_OUT_NAMES: tuple[str, ...] = NAMES[::10]
TRAINING_NAMES: tuple[str, ...] = tuple(name for i, name in enumerate(NAMES) if i % 10)

_ACTOR_FIRST = (
    "Aldora Brennick Calista Davion Elowen Fenwick Galadia Haldor Isolde Jorvan Kestria Lorcan Mirabeth Nevander "
    "Orsina Peregrin Quillon Rosmund Silvane Torvald Ulyssa Varden Wystan Xanthe Yorick Zebulon Ambrose Brisa Corvin "
    "Delphia"
).split()
_ACTOR_LAST = (
    "Ashgrove Bellmarsh Carrowick Dunmere Eastholm Farrowby Glendower Hartwell Inglestone Jessamy Kilbride Lockridge "
    "Merrivale Northcott Oakhurst Pembrook Quenby Ravensworth Stanmore Thornbury Underhay Vallorin Wetherell Yarborough"
).split()

# 120 actors who never lived: the first names are not in NAMES, so an actor never looks like a role.
ACTORS: tuple[str, ...] = tuple(
    f"{_ACTOR_FIRST[i % len(_ACTOR_FIRST)]} {_ACTOR_LAST[(i * 5 + i // 24) % len(_ACTOR_LAST)]}" for i in range(120)
)


def pick_names(rng: random.Random, count: int, held_out: bool) -> list[str]:
    """Draw different names for one cast.

    Args:
        rng: source of randomness.
        count: how many names.
        held_out: draw from `HELD_OUT_NAMES` (evaluation only) instead of the training names.

    Returns:
        `count` distinct names in random order.

    Raises:
        ValueError: if there are fewer names than asked for.
    """
    pool = HELD_OUT_NAMES if held_out else TRAINING_NAMES
    if not 0 <= count <= len(pool):
        raise ValueError(f"count is {count}, expected 0..{len(pool)}; ask for a smaller cast")
    return rng.sample(pool, count)
